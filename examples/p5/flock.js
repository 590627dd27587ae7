// title: Flock
// about: Ninety birds, three rules, no leader.
//
// A flock. No bird leads. Each looks at its neighbours alone and does three
// things: keep away from those that are too near, fly as the others fly, stay
// with them. Craig Reynolds called them boids, in 1986.
//
// Change: apart (how much room each wants), together (how strongly they turn
// to each other).
neo.param("apart", 22, { min: 5, max: 60, step: 1 })
neo.param("together", 0.05, { min: 0, max: 0.3, step: 0.01 })
let birds = []

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(30)
  randomSeed(neo.seed)
  for (let i = 0; i < 90; i++) {
    const going = p5.Vector.fromAngle(random(TWO_PI)).mult(2)
    birds.push({ at: createVector(random(width), random(height)), going })
  }
}

function draw() {
  background("#faf8ef")
  for (const bird of birds) steer(bird)
  for (const [index, bird] of birds.entries()) {
    bird.at.add(bird.going)
    bird.at.set((bird.at.x + width) % width, (bird.at.y + height) % height)
    show(bird, index % 9 === 0 ? "#fb542e" : "#213cd8")
  }
}

function steer(bird) {
  const middle = createVector()
  const way = createVector()
  let near = 0
  for (const other of birds) {
    const distance = other === bird ? Infinity : bird.at.dist(other.at)
    if (distance > 60) continue
    near++
    middle.add(other.at)
    way.add(other.going)
    if (distance < neo.params.apart) {
      bird.going.add(p5.Vector.sub(bird.at, other.at).mult(0.02))
    }
  }
  if (near > 0) {
    bird.going.add(middle.div(near).sub(bird.at).mult(neo.params.together / 10))
    bird.going.add(way.div(near).sub(bird.going).mult(neo.params.together))
  }
  bird.going.setMag(constrain(bird.going.mag(), 1.5, 3.5))
}

function show(bird, ink) {
  push()
  translate(bird.at.x, bird.at.y)
  rotate(bird.going.heading())
  fill(ink)
  stroke("#151525")
  strokeWeight(1.5)
  triangle(9, 0, -6, -5, -6, 5)
  pop()
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
