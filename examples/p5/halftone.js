// title: Halftone
// about: A word read dot by dot, as a press prints it.
//
// Halftone. A press has one ink and no grey, so it prints dots: large where
// the picture is dark, small where it is light. Here the picture is a word,
// drawn once on a sheet that nobody sees, and read from it dot by dot.
//
// Change: dot (pixels from dot to dot), ripple. Change the word too.
neo.param("dot", 14, { min: 6, max: 40, step: 1 })
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
  sheet.textSize(min(width / word.length * 1.5, height * 0.6))
  sheet.text(word, width / 2, height / 2)
  sheet.filter(BLUR, 4)
  sheet.loadPixels()
}

function draw() {
  background("#fb542e")
  const step = max(4, round(neo.params.dot))
  for (let y = step / 2; y < height; y += step) {
    for (let x = step / 2; x < width; x += step) {
      const away = dist(x, y, width / 2, height / 2)
      const wave = sin(away / 30 - frameCount / 5)
      const readX = constrain(round(x + wave * neo.params.ripple), 0, width - 1)
      const dark = sheet.pixels[(floor(y) * width + readX) * 4] / 255
      fill(dark > 0.4 ? "#faf8ef" : "#151525")
      circle(x, y, step * (0.28 + 0.72 * dark + 0.1 * wave))
    }
  }
}

function windowResized() {
  resizeCanvas(windowWidth, windowHeight)
  printSheet()
}
