// title: Wind
// about: Noise says where the wind blows; grains of ink are carried by it.
//
// Wind. Noise is randomness that changes smoothly from place to place: here
// it says at each place where the wind blows. A few hundred grains are
// carried, and each leaves ink behind. When a grain is old it begins anew
// elsewhere.
//
// Change: scale (small: wide swings; large: a tangle), speed.
neo.param("scale", 0.004, { min: 0.001, max: 0.03, step: 0.001 })
neo.param("speed", 2, { min: 0.5, max: 6, step: 0.5 })
const inks = ["#fb542e", "#51ee8c", "#213cd8"]
let grains = []

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(30)
  randomSeed(neo.seed)
  noiseSeed(neo.seed)
  background("#faf8ef")
  for (let i = 0; i < 200; i++) grains.push(grain())
}

function grain() {
  return { x: random(width), y: random(height), age: floor(random(120)), ink: random(inks) }
}

function draw() {
  // Old ink fades a little, so the sheet never fills up.
  if (frameCount % 4 === 0) background(250, 248, 239, 10)
  blendMode(MULTIPLY)
  strokeWeight(1.5)
  for (const g of grains) {
    const blow = noise(g.x * neo.params.scale, g.y * neo.params.scale, frameCount / 900) * TWO_PI * 2.5
    const x = g.x + cos(blow) * neo.params.speed
    const y = g.y + sin(blow) * neo.params.speed
    stroke(g.ink)
    line(g.x, g.y, x, y)
    g.x = x
    g.y = y
    const gone = x < 0 || y < 0 || x > width || y > height
    if (++g.age > 140 || gone) Object.assign(g, grain(), { age: 0 })
  }
  blendMode(BLEND)
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
  background("#faf8ef")
}
