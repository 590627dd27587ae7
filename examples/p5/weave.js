// title: Weave
// about: Which ribbon lies above? One line of arithmetic knows.
//
// A weave. Ribbons go down and across; at each crossing a rule says which one
// lies above. The rule is one line of arithmetic, and weavers have names for
// its answers: tabby, twill, satin.
//
// Change: over (1 is tabby, 2 is twill, 4 is satin), ribbons.
neo.param("over", 2, { min: 1, max: 6, step: 1 })
neo.param("ribbons", 14, { min: 4, max: 40, step: 1 })

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(12)
}

function draw() {
  background("#151525")
  const many = max(2, round(neo.params.ribbons))
  const size = max(width, height) / many
  const shift = floor(frameCount / 12)
  for (let row = 0; row < many; row++) {
    for (let column = 0; column < many; column++) {
      const x = column * size
      const y = row * size
      const above = (column + row + shift) % (round(neo.params.over) + 1) !== 0
      // What is printed last lies above.
      if (!above) across(x, y, size, row)
      down(x, y, size, column)
      if (above) across(x, y, size, row)
    }
  }
}

function ribbon(x, y, wide, high, ink) {
  stroke("#151525")
  strokeWeight(2)
  fill(ink)
  rect(x, y, wide, high)
}

function down(x, y, size, column) {
  ribbon(x + size * 0.12, y - 1, size * 0.76, size + 2, column % 4 ? "#faf8ef" : "#fb542e")
}

function across(x, y, size, row) {
  ribbon(x - 1, y + size * 0.12, size + 2, size * 0.76, row % 3 ? "#213cd8" : "#51ee8c")
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
}
