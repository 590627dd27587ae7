// title: Kaleidoscope
// about: What you draw is repeated in every slice.
//
// A kaleidoscope that you draw in. What the pen does is repeated in every
// slice, and mirrored in every other one. Nobody at the pen? It wanders by
// itself.
//
// Change: slices, width of the pen (weight). Press and draw. A key wipes the
// sheet.
neo.param("slices", 8, { min: 1, max: 24, step: 1 })
neo.param("weight", 5, { min: 1, max: 30, step: 1 })
const inks = ["#fb542e", "#213cd8", "#51ee8c", "#492676"]
let last

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(30)
  noiseSeed(neo.seed)
  background("#faf8ef")
}

function pen() {
  if (mouseIsPressed) return createVector(mouseX - width / 2, mouseY - height / 2)
  const time = frameCount / 90
  const reach = min(width, height) * 0.9
  return createVector((noise(time) - 0.5) * reach, (noise(time + 50) - 0.5) * reach)
}

function draw() {
  const now = pen()
  // A leap, from drawing by hand to wandering, leaves no line.
  if (!last || last.dist(now) > 80) last = now
  translate(width / 2, height / 2)
  stroke(inks[floor(frameCount / 150) % inks.length])
  strokeWeight(neo.params.weight)
  const many = max(1, round(neo.params.slices))
  for (let slice = 0; slice < many; slice++) {
    rotate(TWO_PI / many)
    line(last.x, last.y, now.x, now.y)
    push()
    scale(1, -1)
    line(last.x, last.y, now.x, now.y)
    pop()
  }
  last = now
  // After a minute the sheet is full: a new one.
  if (frameCount % 1800 === 0) background("#faf8ef")
}

function keyPressed() {
  background("#faf8ef")
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
  background("#faf8ef")
}
