// title: Pendulums
// about: Nineteen weights drift apart into waves and meet again.
//
// Pendulums. Each string is a little shorter than the one before, so each
// weight swings a little faster. They start together, drift into waves and
// snakes, and after a while they are all together again.
//
// Change: weights, round (seconds until they meet again).
neo.param("weights", 19, { min: 3, max: 40, step: 1 })
neo.param("round", 60, { min: 20, max: 180, step: 5 })

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(30)
}

function draw() {
  background("#0d0f2a")
  const time = frameCount / 30
  const many = round(neo.params.weights)
  stroke("#97c7b1")
  strokeWeight(3)
  line(width * 0.06, height * 0.06, width * 0.94, height * 0.06)
  for (let i = 0; i < many; i++) {
    // Whole swings within one round: 20 for the first, one more for each that
    // follows.
    const angle = 0.9 * cos((TWO_PI * (20 + i) * time) / neo.params.round)
    const x = map(i + 0.5, 0, many, width * 0.06, width * 0.94)
    const y = height * 0.06
    const string = height * map(i, 0, many, 0.84, 0.5)
    const reach = min(width / many * 2.2, string)
    const weightX = x + sin(angle) * reach
    const weightY = y + cos(angle * 0.6) * string
    stroke("#3b4a86")
    strokeWeight(1.5)
    line(x, y, weightX, weightY)
    stroke("#0d0f2a")
    strokeWeight(2)
    fill(i % 3 === 0 ? "#ff5d39" : i % 3 === 1 ? "#4af682" : "#a4bfff")
    circle(weightX, weightY, min(width / many, 34))
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
