// title: Tree in the wind
// about: A function that calls itself draws a tree; the seed keeps it still.
//
// A tree. A branch is a line with two smaller branches at its end; and each
// of those is a line with two smaller branches. A function that calls itself
// draws the whole of it. The coin tosses are the same at every frame, because
// each frame starts again from the same seed: so the tree sways and doesn't
// flicker.
//
// Change: spread (degrees between branches), wind.
neo.param("spread", 24, { min: 5, max: 60, step: 1 })
neo.param("wind", 4, { min: 0, max: 20, step: 0.5 })

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(20)
}

function draw() {
  background("#faf8ef")
  noStroke()
  fill("#cdf1d8")
  for (let y = 0; y < height; y += 56) rect(0, y, width, 28)
  randomSeed(neo.seed)
  translate(width / 2, height)
  branch(min(width, height) * 0.23, 8)
}

function branch(length, depth) {
  const sway = neo.params.wind * sin(frameCount / 18 + depth) / 2
  rotate(radians(random(-6, 6) + sway / depth * 2))
  stroke("#151525")
  strokeWeight(depth * 1.25)
  line(0, 0, 0, -length)
  translate(0, -length)
  if (depth <= 1) {
    noStroke()
    fill(random(["#51ee8c", "#51ee8c", "#fb542e", "#213cd8"]))
    circle(0, 0, random(8, 15))
    return
  }
  for (const side of [-1, 1]) {
    push()
    rotate(radians(side * neo.params.spread))
    branch(length * random(0.7, 0.85), depth - 1)
    pop()
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
