// title: Sunflower
// about: Seeds that turn by the golden angle, and why no two line up.
//
// Seeds of a sunflower. Each seed turns by the golden angle from the one
// before and moves out by the square root of its number: no two ever line up,
// and all have the same room. Nature found it, Vogel wrote it down in 1979.
//
// Change: angle (137.508 is the golden one; try 137.3, or 90), seeds.
neo.param("angle", 137.508, { min: 0, max: 180, step: 0.001 })
neo.param("seeds", 420, { min: 50, max: 1000, step: 10 })

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(24)
  noStroke()
}

function draw() {
  background("#0d0f2a")
  translate(width / 2, height / 2)
  rotate(frameCount / 400)
  const room = (min(width, height) * 0.47) / sqrt(neo.params.seeds)
  for (let seed = 0; seed < neo.params.seeds; seed++) {
    const angle = radians(neo.params.angle * seed)
    const out = room * sqrt(seed)
    // A breath goes from the middle to the rim.
    const breath = 0.5 + 0.5 * sin(seed / 18 - frameCount / 14)
    fill(seed % 8 === 0 ? "#fb542e" : seed % 5 === 0 ? "#a4bfff" : "#4af682")
    circle(out * cos(angle), out * sin(angle), room * (0.5 + breath))
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
