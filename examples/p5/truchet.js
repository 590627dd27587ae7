// title: Truchet tiles
// about: One tile, turned by the toss of a coin, makes rivers without end.
//
// Truchet tiles. Every tile is the same two quarter circles; each is turned
// or not by the toss of a coin. What comes out are rivers without end,
// because all tiles meet in the middles of their sides.
//
// Change: across (tiles in a row), restless (tiles that turn each second).
// Press: turn the tile beneath you.
neo.param("across", 12, { min: 4, max: 30, step: 1 })
neo.param("restless", 6, { min: 0, max: 30, step: 1 })
let turned = []

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(30)
  randomSeed(neo.seed)
  noFill()
  for (let i = 0; i < 4000; i++) turned.push(random() < 0.5 ? 0 : 1)
}

function draw() {
  background("#213cd8")
  const size = width / round(neo.params.across)
  strokeCap(SQUARE)
  if (random() < neo.params.restless / 30) {
    flip(floor(random(neo.params.across)), floor(random(height / size)))
  }
  for (let row = 0; row * size < height; row++) {
    for (let column = 0; column < neo.params.across; column++) tile(column, row, size)
  }
}

function tile(column, row, size) {
  const x = column * size
  const y = row * size
  const side = turned[index(column, row)]
  // A thick dark line and a thinner one upon it: a tube.
  for (const [ink, weight] of [["#151525", 0.36], ["#51ee8c", 0.2]]) {
    stroke(ink)
    strokeWeight(size * weight)
    const across = side ? size : 0
    const from = side ? HALF_PI : 0
    arc(x + across, y, size, size, from, from + HALF_PI)
    arc(x + size - across, y + size, size, size, from + PI, from + PI + HALF_PI)
  }
}

const index = (column, row) => (row * 97 + column) % turned.length
const flip = (column, row) => (turned[index(column, row)] ^= 1)

function mousePressed() {
  const size = width / round(neo.params.across)
  flip(floor(mouseX / size), floor(mouseY / size))
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
