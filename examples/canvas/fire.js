// title: Fire
// about: Heat climbs and dies: an old trick in 10,000 points.
//
// Fire. The lowest row glows at random. Every other point takes the heat of
// the points beneath it, minus a little: so heat climbs and dies. An old
// trick, from the days when a whole screen had 64,000 points and no help.
//
// Change: cooling (tall or low flames), draught (how far they lean).
neo.param("cooling", 2.2, { min: 0.5, max: 8, step: 0.1 })
neo.param("draught", 0, { min: -3, max: 3, step: 0.1 })
const WIDE = 120
const HIGH = 90
const small = Object.assign(document.createElement("canvas"), { width: WIDE, height: HIGH })
const smallContext = small.getContext("2d")
const picture = smallContext.createImageData(WIDE, HIGH)
const heat = new Float32Array(WIDE * (HIGH + 2))
// Cold to hot: night, blue, red, paper.
const stops = [[13, 15, 42], [33, 60, 216], [251, 84, 46], [255, 170, 90], [250, 248, 239]]
let odd = false

function climb() {
  for (let x = 0; x < WIDE; x++) {
    heat[HIGH * WIDE + x] = heat[(HIGH + 1) * WIDE + x] = Math.random() < 0.55 ? 160 : 20
  }
  for (let y = 0; y < HIGH; y++) {
    for (let x = 0; x < WIDE; x++) {
      const lean = Math.round(neo.params.draught * Math.random() * 2)
      const from = (y + 1) * WIDE + ((x - lean + WIDE) % WIDE)
      const warm = (heat[from - 1] + heat[from] + heat[from + 1] + heat[from + WIDE]) / 4
      heat[y * WIDE + x] = Math.max(0, warm - Math.random() * neo.params.cooling)
    }
  }
}

function colour(index) {
  // Steps rather than shades: this is print.
  const stop = stops[Math.min(stops.length - 1, Math.floor((heat[index] / 100) * stops.length))]
  picture.data.set(stop, index * 4)
  picture.data[index * 4 + 3] = 255
}

function draw() {
  odd = !odd
  if (odd) {
    climb()
    for (let i = 0; i < WIDE * HIGH; i++) colour(i)
    smallContext.putImageData(picture, 0, 0)
    context.imageSmoothingEnabled = false
    context.drawImage(small, 0, 0, neo.width, neo.height)
  }
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
