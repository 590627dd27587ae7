// Sixty dots around a lamp. Change a number and press Run.
function setup() {
  createCanvas(windowWidth, windowHeight)
  noStroke()
}

function draw() {
  background(22, 20, 39)
  const speed = neo.param("speed", 1, { min: 0, max: 5, step: 0.1 })
  for (let i = 0; i < 60; i++) {
    const turn = i * 2.4 + (frameCount * speed) / 100
    const far = 8 * sqrt(i) * (min(width, height) / 160)
    fill(i % 2 ? color(80, 240, 140) : color(255, 80, 50))
    circle(width / 2 + cos(turn) * far, height / 2 + sin(turn) * far, 4 + i / 6)
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
