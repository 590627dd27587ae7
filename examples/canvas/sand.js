// title: Sand
// about: Three lines of rule, and there are dunes.
//
// Sand. A grain falls if there is nothing beneath it; else it slides to the
// left or right; else it lies. Three lines of rule, and there are dunes.
//
// Change: grain (pixels), pour (grains a frame). Press to pour where you
// like.
neo.param("grain", 5, { min: 4, max: 20, step: 1 })
neo.param("pour", 4, { min: 0, max: 20, step: 1 })
const inks = ["#fb542e", "#51ee8c", "#213cd8", "#151525"]
const hand = { x: 0.5, held: false }
let wide, high, sand, poured

function sweep() {
  wide = Math.ceil(neo.width / neo.params.grain)
  high = Math.ceil(neo.height / neo.params.grain)
  sand = new Uint8Array(wide * high)
  poured = 0
}

function fall() {
  // From the bottom up, so that no grain falls twice in one frame.
  for (let y = high - 2; y >= 0; y--) {
    for (let x = 0; x < wide; x++) {
      const here = y * wide + x
      if (!sand[here]) continue
      const side = Math.random() < 0.5 ? -1 : 1
      for (const aside of [0, side, -side]) {
        const there = here + wide + aside
        if (x + aside < 0 || x + aside >= wide || sand[there]) continue
        sand[there] = sand[here]
        sand[here] = 0
        break
      }
    }
  }
}

function draw(time) {
  if (!sand || poured > sand.length * 0.55 || wide !== Math.ceil(neo.width / neo.params.grain)) sweep()
  const spout = hand.held ? hand.x : 0.5 + 0.4 * Math.sin(time / 1900)
  for (let i = 0; i < neo.params.pour; i++) {
    const x = Math.floor(spout * (wide - 1) + (Math.random() - 0.5) * 6)
    if (x < 0 || x >= wide) continue
    sand[x] = 1 + (Math.floor(time / 4000) % inks.length)
    poured++
  }
  fall()
  const size = neo.params.grain
  context.fillStyle = "#faf8ef"
  context.fillRect(0, 0, neo.width, neo.height)
  inks.forEach((ink, index) => {
    context.fillStyle = ink
    for (let i = 0; i < sand.length; i++) {
      if (sand[i] === index + 1) context.fillRect((i % wide) * size, Math.floor(i / wide) * size, size, size)
    }
  })
  requestAnimationFrame(draw)
}
canvas.addEventListener("pointerdown", () => (hand.held = true))
canvas.addEventListener("pointermove", (event) => (hand.x = event.offsetX / neo.width))
addEventListener("pointerup", () => (hand.held = false))
requestAnimationFrame(draw)
