// title: Moiré
// about: Two dull sets of rings make a pattern that is in neither.
//
// Rings. Two sets of circles, each of them dull. Laid over each other they
// make a pattern that is in neither: a moiré. Printers fear it, we print it
// on purpose.
//
// Change: gap (pixels between rings), reach (how far the two wander apart).
neo.param("gap", 12, { min: 6, max: 40, step: 1 })
neo.param("reach", 60, { min: 0, max: 200, step: 5 })

function rings(x, y, ink) {
  context.strokeStyle = ink
  context.lineWidth = neo.params.gap / 2
  const far = Math.hypot(neo.width, neo.height)
  for (let radius = neo.params.gap; radius < far; radius += neo.params.gap) {
    context.beginPath()
    context.arc(x, y, radius, 0, Math.PI * 2)
    context.stroke()
  }
}

let frames = 0
function draw(time) {
  requestAnimationFrame(draw)
  // They wander slowly: every third frame is enough.
  if (frames++ % 3) return
  const { width, height } = neo
  context.globalCompositeOperation = "source-over"
  context.fillStyle = "#faf8ef"
  context.fillRect(0, 0, width, height)
  // Inks on paper multiply: where red lies on blue it gets darker.
  context.globalCompositeOperation = "multiply"
  const turn = time / 2400
  const x = Math.cos(turn) * neo.params.reach
  const y = Math.sin(turn * 1.3) * neo.params.reach
  rings(width / 2 + x, height / 2 + y, "#fb542e")
  rings(width / 2 - x, height / 2 - y, "#213cd8")
}
requestAnimationFrame(draw)
