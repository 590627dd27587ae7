// title: Maze
// about: A digger that goes back the way it came until there is somewhere new.
//
// A maze. A digger goes to a neighbour that nobody has visited; where there
// is none it goes back the way it came, until there is one. When it is home
// again every place can be reached, and there is one way only between any
// two.
//
// Change: passage (pixels), pace (steps a frame).
neo.param("passage", 22, { min: 8, max: 60, step: 1 })
neo.param("pace", 2, { min: 1, max: 20, step: 1 })
let wide, high, size, visited, way, resting, dug

const wanted = () => [neo.params.passage, neo.width, neo.height].join()

function begin() {
  dug = wanted()
  size = Math.round(neo.params.passage)
  wide = Math.floor(neo.width / size)
  high = Math.floor(neo.height / size)
  visited = new Set([0])
  way = [[0, 0]]
  resting = 0
  context.fillStyle = "#151525"
  context.fillRect(0, 0, neo.width, neo.height)
}

function dig() {
  const [x, y] = way.at(-1)
  const inside = ([x, y]) => x >= 0 && y >= 0 && x < wide && y < high
  const around = [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]]
  const open = around.filter((place) => inside(place) && !visited.has(place[1] * wide + place[0]))
  if (open.length === 0) return way.pop()
  const next = open[Math.floor(Math.random() * open.length)]
  visited.add(next[1] * wide + next[0])
  mark([x, y], next, "#faf8ef", 0.62)
  way.push(next)
}

function mark(from, to, ink, share) {
  const middle = ([x, y]) => [(x + 0.5) * size, (y + 0.5) * size]
  context.strokeStyle = ink
  context.lineWidth = size * share
  context.lineCap = "square"
  context.beginPath()
  context.moveTo(...middle(from))
  context.lineTo(...middle(to))
  context.stroke()
}

function draw() {
  if (dug !== wanted() || resting > 120) begin()
  for (let i = 0; i < neo.params.pace && way.length > 0; i++) {
    const before = way.at(-1)
    dig()
    const here = way.at(-1)
    if (!here) break
    // The way back is printed in green.
    if (way.at(-2) !== before) mark(before, here, "#51ee8c", 0.62)
    mark(here, here, way.length % 2 ? "#fb542e" : "#213cd8", 0.3)
  }
  if (way.length === 0) resting++
  requestAnimationFrame(draw)
}
requestAnimationFrame(draw)
