// title: Halftone
// about: A word read dot by dot, as a press prints it.
//
// Halftone. A press has one ink and no grey, so it prints dots: large where
// the picture is dark, small where it is light. Here the picture is a word,
// drawn once on a sheet that nobody sees, and read from it dot by dot.
//
// Change: dot (pixels from dot to dot), ripple. Change the word too.
neo.param("dot", 12, { min: 6, max: 40, step: 1 })
neo.param("ripple", 6, { min: 0, max: 40, step: 1 })
const word = "HELLO"
let sheet

function setup() {
  createCanvas(windowWidth, windowHeight)
  frameRate(15)
  noStroke()
  printSheet()
}

function printSheet() {
  sheet?.remove()
  sheet = createGraphics(width, height)
  sheet.pixelDensity(1)
  sheet.background(0)
  sheet.fill(255)
  sheet.textAlign(CENTER, CENTER)
  sheet.textStyle(BOLD)
  sheet.textSize(min(width / word.length * 1.3, height * 0.6))
  sheet.text(word, width / 2, height / 2)
  sheet.loadPixels()
}

function draw() {
  background("#fb542e")
  const step = max(4, round(neo.params.dot))
  for (let y = step / 2; y < height; y += step) {
    for (let x = step / 2; x < width; x += step) {
      const away = dist(x, y, width / 2, height / 2)
      const wave = sin(away / 30 - frameCount / 5)
      const dark = darkness(x + wave * neo.params.ripple, y, step / 3)
      fill(dark > 0.4 ? "#faf8ef" : "#151525")
      circle(x, y, step * (0.28 + 0.72 * dark + 0.1 * wave))
    }
  }
}

// How dark the sheet is around a place: four looks at it, and their mean.
function darkness(x, y, away) {
  let sum = 0
  for (const [lookX, lookY] of [[x - away, y], [x + away, y], [x, y - away], [x, y + away]]) {
    const column = constrain(round(lookX), 0, sheet.width - 1)
    const row = constrain(round(lookY), 0, sheet.height - 1)
    sum += sheet.pixels[(row * sheet.width + column) * 4]
  }
  return sum / 4 / 255
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
  printSheet()
}
