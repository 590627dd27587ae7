// title: Ridges
// about: Lines that hide what is behind them.
//
// Ridges. Lines from the back to the front, each with a few hills, each
// filled below with paper so that it hides what is behind it: the painter's
// way to draw depth. A pulsar's radio waves were once drawn like this.
//
// Change: lines, height of the hills (tall).
neo.param("lines", 26, { min: 5, max: 60, step: 1 })
neo.param("tall", 70, { min: 0, max: 200, step: 5 })
const hills = Array.from({ length: 60 * 5 }, () => ({
  at: 0.2 + Math.random() * 0.6,
  wide: 0.03 + Math.random() * 0.07,
  tall: Math.random(),
  beat: Math.random() * 6,
}))

function height(line, x, time) {
  let sum = 0
  for (let i = line * 5; i < line * 5 + 5; i++) {
    const hill = hills[i]
    const beat = 0.7 + 0.3 * Math.sin(time / 700 + hill.beat)
    sum += hill.tall * beat * Math.exp(-(((x - hill.at) / hill.wide) ** 2))
  }
  return sum
}

let frames = 0
function draw(time) {
  requestAnimationFrame(draw)
  // Every other frame is enough for hills.
  if (frames++ % 2) return
  const { width, height: high } = neo
  context.fillStyle = "#0d0f2a"
  context.fillRect(0, 0, width, high)
  const many = Math.min(60, Math.round(neo.params.lines))
  for (let line = 0; line < many; line++) {
    const y = high * (0.22 + (0.7 * line) / many)
    // Its foot need only reach as low as the next hills could be high.
    const foot = Math.min(high, y + neo.params.tall * 2)
    context.beginPath()
    context.moveTo(width * 0.08, foot)
    for (let step = 0; step <= 60; step++) {
      const x = width * (0.08 + (0.84 * step) / 60)
      context.lineTo(x, y - height(line, step / 60, time) * neo.params.tall)
    }
    context.lineTo(width * 0.92, foot)
    context.fill()
    context.strokeStyle = line % 7 === 3 ? "#ff5d39" : line % 2 ? "#4af682" : "#faf8ef"
    context.lineWidth = 2
    context.stroke()
  }
  // The feet of the lines are hidden too.
  context.fillRect(0, high * 0.93, width, high)
  context.fillRect(0, 0, width * 0.085, high)
  context.fillRect(width * 0.915, 0, width, high)
}
requestAnimationFrame(draw)
