// title: Listing
// about: Eight bits of a rule print a page; rule 30 looks like chance.
//
// A listing. Each line follows from the one above: a place looks at itself
// and its two neighbours, three bits, eight cases; the eight bits of the rule
// say what becomes of each. Rule 30 looks like chance, 90 is a triangle of
// triangles, 110 can compute.
//
// Change: rule (0 to 255), place (pixels).
neo.param("rule", 30, { min: 0, max: 255, step: 1 })
neo.param("place", 6, { min: 4, max: 20, step: 1 })
let row, line, printed

function begin() {
  printed = [neo.params.rule, neo.params.place, neo.width].join()
  row = new Uint8Array(Math.ceil(neo.width / neo.params.place))
  row[Math.floor(row.length / 2)] = 1
  line = 0
  context.fillStyle = "#faf8ef"
  context.fillRect(0, 0, neo.width, neo.height)
}

function next() {
  return row.map((bit, x) => {
    const left = row.at(x - 1)
    const right = row[(x + 1) % row.length]
    return (Math.round(neo.params.rule) >> (left * 4 + bit * 2 + right)) & 1
  })
}

function print() {
  let y = line * neo.params.place
  if (y + neo.params.place > neo.height) {
    // The paper moves up by one line.
    context.drawImage(canvas, 0, -neo.params.place, neo.width, neo.height)
    y = Math.floor(neo.height / neo.params.place - 1) * neo.params.place
  }
  context.fillStyle = line % 8 < 4 ? "#cdf1d8" : "#faf8ef"
  context.fillRect(0, y, neo.width, neo.height)
  context.fillStyle = line % 64 < 48 ? "#151525" : "#213cd8"
  const wide = neo.params.place
  row.forEach((bit, x) => bit && context.fillRect(x * wide, y, wide - 1, wide - 1))
  row = next()
  line++
}

let frames = 0
function draw() {
  if (printed !== [neo.params.rule, neo.params.place, neo.width].join()) begin()
  if (frames++ % 2 === 0) print()
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
