// title: Harmonograph
// about: Two pendulums and a pen draw a chord.
//
// A harmonograph. Two pendulums move a pen and lose a little swing with every
// turn. When one swings exactly twice as fast as the other the figure closes,
// when it is a hair off it turns: that is what one hears as a chord and a
// chord out of tune.
//
// Change: left and right (swings of the two), fade (how fast they tire).
neo.param("left", 3, { min: 1, max: 9, step: 0.01 })
neo.param("right", 2.01, { min: 1, max: 9, step: 0.01 })
neo.param("fade", 0.004, { min: 0.001, max: 0.02, step: 0.001 })
const inks = ["#213cd8", "#fb542e", "#492676"]
let angle = 0
let drawn = ""
let sheets = 0

function point(at) {
  const swing = Math.exp(-neo.params.fade * at) * Math.min(neo.width, neo.height) * 0.45
  const x = neo.width / 2 + Math.sin(neo.params.left * at + sheets) * swing
  return [x, neo.height / 2 + Math.sin(neo.params.right * at) * swing]
}

function sheet() {
  context.fillStyle = "#faf8ef"
  context.fillRect(0, 0, neo.width, neo.height)
  context.fillStyle = "#cdf1d8"
  for (let y = 0; y < neo.height; y += 56) context.fillRect(0, y, neo.width, 28)
  angle = 0
}

function draw() {
  // Another figure is asked for, or this one has come to rest: a new sheet.
  const wanted = [neo.params.left, neo.params.right, neo.params.fade, neo.width, neo.height].join()
  if (wanted !== drawn || angle > 4 / neo.params.fade) {
    drawn = wanted
    sheets++
    sheet()
  }
  context.strokeStyle = inks[sheets % inks.length]
  context.lineWidth = 1.2
  context.beginPath()
  context.moveTo(...point(angle))
  for (let i = 0; i < 60; i++) context.lineTo(...point((angle += 0.02)))
  context.stroke()
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
