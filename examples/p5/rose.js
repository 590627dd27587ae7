// title: A rose, three times
// about: A line round the middle makes petals; three inks print it out of register.
//
// A rose. The distance from the middle is a cosine of the angle: where the
// cosine is at its largest there is a petal. The same line is printed three
// times, once an ink, each a little out of register with the others.
//
// Change: petals (try 2.5, or 7), slip (how far the inks are from each
// other).
neo.param("petals", 5, { min: 1, max: 12, step: 0.5 })
neo.param("slip", 12, { min: 0, max: 40, step: 1 })

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(24)
  noFill()
}

function draw() {
  background("#faf8ef")
  blendMode(MULTIPLY)
  translate(width / 2, height / 2)
  rose("#fb542e", 0)
  rose("#51ee8c", TWO_PI / 3)
  rose("#213cd8", 2 * TWO_PI / 3)
  blendMode(BLEND)
}

function rose(ink, where) {
  const size = min(width, height) * 0.44
  const turn = frameCount / 200
  push()
  translate(cos(where + turn) * neo.params.slip, sin(where + turn) * neo.params.slip)
  stroke(ink)
  strokeWeight(size / 26)
  beginShape()
  // Twice round, so that half a petal more closes too.
  for (let step = 0; step <= 400; step++) {
    const angle = (step / 400) * TWO_PI * 2
    const radius = size * cos(neo.params.petals * angle)
    vertex(radius * cos(angle + turn / 4), radius * sin(angle + turn / 4))
  }
  endShape()
  pop()
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
