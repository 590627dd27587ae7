// title: Pond
// about: Two arrays and an average, and there are waves.
//
// A pond. Each point of the water wants to be as high as its neighbours on
// average, and has swing: so it overshoots. From that come rings, and rings
// that go through each other. Two arrays are enough: how it is, and how it
// was.
//
// Change: calm (how fast rings die), drops (a second). Press to touch the
// water.
neo.param("calm", 0.97, { min: 0.9, max: 0.999, step: 0.001 })
neo.param("drops", 1, { min: 0, max: 10, step: 0.5 })
const WIDE = 128
const HIGH = 96
const small = Object.assign(document.createElement("canvas"), { width: WIDE, height: HIGH })
const smallContext = small.getContext("2d")
const picture = smallContext.createImageData(WIDE, HIGH)
let now = new Float32Array(WIDE * HIGH)
let was = new Float32Array(WIDE * HIGH)

function drop(x, y) {
  for (let dy = -2; dy <= 2; dy++) {
    for (let dx = -2; dx <= 2; dx++) now[(y + dy) * WIDE + x + dx] = 160
  }
}

function move() {
  for (let y = 1; y < HIGH - 1; y++) {
    for (let x = 1; x < WIDE - 1; x++) {
      const i = y * WIDE + x
      was[i] = ((now[i - 1] + now[i + 1] + now[i - WIDE] + now[i + WIDE]) / 2 - was[i]) * neo.params.calm
    }
  }
  ;[now, was] = [was, now]
}

function print() {
  for (let i = 0; i < now.length; i++) {
    const slope = now[i] - (now[i + 1] ?? 0)
    // Four inks by the slope: towards the light, away from it, and flat
    // water, printed as a raster.
    const raster = (i % WIDE + Math.floor(i / WIDE)) % 4 === 0
    let ink = raster ? [58, 88, 230] : [33, 60, 216]
    if (slope > 7) ink = [250, 248, 239]
    else if (slope > 2) ink = [81, 238, 140]
    else if (slope < -7) ink = [21, 21, 37]
    picture.data.set(ink, i * 4)
    picture.data[i * 4 + 3] = 255
  }
  smallContext.putImageData(picture, 0, 0)
  context.imageSmoothingEnabled = false
  context.drawImage(small, 0, 0, neo.width, neo.height)
}

function draw() {
  if (Math.random() < neo.params.drops / 60) {
    drop(4 + Math.floor(Math.random() * (WIDE - 8)), 4 + Math.floor(Math.random() * (HIGH - 8)))
  }
  move()
  print()
  requestAnimationFrame(draw)
}
canvas.addEventListener("pointermove", (event) => {
  const x = Math.floor((event.offsetX / neo.width) * WIDE)
  const y = Math.floor((event.offsetY / neo.height) * HIGH)
  if (event.buttons && x > 2 && y > 2 && x < WIDE - 3 && y < HIGH - 3) drop(x, y)
})
drop(WIDE / 2, HIGH / 2)
requestAnimationFrame(draw)
