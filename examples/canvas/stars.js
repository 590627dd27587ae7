// title: Stars
// about: Divide by how far it is: that is all of perspective.
//
// Stars. Each star has a place in space: x, y, and how far away it is. To
// show it on a flat screen, divide by how far it is. That is all of
// perspective.
//
// Change: speed, stars.
neo.param("speed", 0.5, { min: 0, max: 3, step: 0.1 })
neo.param("stars", 400, { min: 50, max: 1200, step: 50 })
const inks = ["#faf8ef", "#faf8ef", "#4af682", "#a4bfff", "#ff5d39"]
const sky = Array.from({ length: 1200 }, () => ({
  x: Math.random() * 2 - 1,
  y: Math.random() * 2 - 1,
  away: Math.random(),
  ink: inks[Math.floor(Math.random() * inks.length)],
}))
let then = 0

function draw(time) {
  const passed = Math.min(time - then, 100) / 1000
  then = time
  context.fillStyle = "#0d0f2a"
  context.fillRect(0, 0, neo.width, neo.height)
  const [middleX, middleY] = [neo.width / 2, neo.height / 2]
  for (const star of sky.slice(0, neo.params.stars)) {
    const before = star.away
    star.away -= neo.params.speed * passed
    if (star.away <= 0.02) {
      star.away = 1
      continue
    }
    // From where it was to where it is: the faster, the longer its trail.
    context.strokeStyle = star.ink
    context.lineWidth = (1 - star.away) * 4
    context.beginPath()
    for (const away of [before + 0.02, star.away]) {
      context.lineTo(middleX + (star.x / away) * middleX, middleY + (star.y / away) * middleY)
    }
    context.stroke()
  }
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
