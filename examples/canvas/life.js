// title: Life
// about: Two or three neighbours, and everything that crawls follows.
//
// Life. A cell lives on with two or three living neighbours, a new one is
// born where there are exactly three, all others are empty. John Conway's
// rule from 1970; everything that crawls here follows from it.
//
// Change: cell (pixels), pace (generations a second). Press and draw to bring
// cells to life.
neo.param("cell", 10, { min: 6, max: 30, step: 1 })
neo.param("pace", 8, { min: 1, max: 30, step: 1 })
const ACROSS = 96
const DOWN = 72
let cells = Uint8Array.from({ length: ACROSS * DOWN }, () => (Math.random() < 0.22 ? 1 : 0))
let ages = new Uint8Array(ACROSS * DOWN)
let then = 0

const at = (x, y) => ((y + DOWN) % DOWN) * ACROSS + ((x + ACROSS) % ACROSS)

function neighbours(x, y) {
  let many = 0
  for (let dy = -1; dy <= 1; dy++) {
    for (let dx = -1; dx <= 1; dx++) if (dx || dy) many += cells[at(x + dx, y + dy)]
  }
  return many
}

function generation() {
  const next = new Uint8Array(cells.length)
  for (let y = 0; y < DOWN; y++) {
    for (let x = 0; x < ACROSS; x++) {
      const many = neighbours(x, y)
      const alive = many === 3 || (many === 2 && cells[at(x, y)])
      next[at(x, y)] = alive ? 1 : 0
      ages[at(x, y)] = alive ? Math.min(ages[at(x, y)] + 1, 40) : 0
    }
  }
  cells = next
}

function draw(time) {
  if (time - then > 1000 / neo.params.pace) {
    then = time
    // A few sparks, so that the sheet never falls asleep.
    for (let i = 0; i < 3; i++) cells[Math.floor(Math.random() * cells.length)] = 1
    generation()
    const size = neo.params.cell
    context.fillStyle = "#0d0f2a"
    context.fillRect(0, 0, neo.width, neo.height)
    for (let y = 0; y < DOWN; y++) {
      for (let x = 0; x < ACROSS; x++) {
        if (!cells[at(x, y)]) continue
        const age = ages[at(x, y)]
        context.fillStyle = age < 3 ? "#4af682" : age < 12 ? "#a4bfff" : "#ff5d39"
        context.fillRect(x * size, y * size, size - 2, size - 2)
      }
    }
  }
  requestAnimationFrame(draw)
}
canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons) return
  const x = Math.floor(event.offsetX / neo.params.cell)
  const y = Math.floor(event.offsetY / neo.params.cell)
  for (let i = 0; i < 5; i++) cells[at(x + (i % 2), y + (i >> 1))] = 1
})
requestAnimationFrame(draw)
