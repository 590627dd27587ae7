// Lines that wander. Change a number and press Run.
let x = neo.width / 2
let y = neo.height / 2
context.fillStyle = "#161427"
context.fillRect(0, 0, neo.width, neo.height)

function draw() {
  const step = neo.param("step", 12, { min: 1, max: 60, step: 1 })
  context.strokeStyle = `hsl(${140 + Math.random() * 40} 80% 60%)`
  context.beginPath()
  context.moveTo(x, y)
  x = Math.min(neo.width, Math.max(0, x + (Math.random() - 0.5) * step * 2))
  y = Math.min(neo.height, Math.max(0, y + (Math.random() - 0.5) * step * 2))
  context.lineTo(x, y)
  context.stroke()
  requestAnimationFrame(draw)
}
draw()
