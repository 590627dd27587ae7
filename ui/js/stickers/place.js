// Where a sticker lies, in the server's units: x in hundredths of a percent of the wall's width, y and width in sixteenths of a
// rem, rotation in degrees. The wall's sheet says it before any script; what moves later is set here, on the element itself.

export const LEAST_WIDTH = 24
export const MOST_WIDTH = 640
export const MOST_X = 10_000

/** What a sticker that moves is moved by. */
const MOVED_BY = "translate, rotate, scale"

const laid = new WeakMap() // element → the place where it was laid; without one, the sheet laid it where the server has it
const floating = new WeakMap() // element → the animation of what is about to move

/** The place that the server has for a sticker. */
export function placeOf(stick) {
  const { x, y, w, r } = stick.dataset
  return { x: Number(x), y: Number(y), width: Number(w), rotation: Number(r) }
}

/** Lays an element where a place says. */
export function lay(element, place, z = null) {
  const { x, y, width, rotation } = place
  const { style } = element
  laid.set(element, place)
  style.setProperty("--x", `${x / 100}%`)
  style.setProperty("--y", `${y / 16}rem`)
  style.setProperty("--w", `${width / 16}rem`)
  style.setProperty("--r", `${rotation}deg`)
  if (z !== null) style.setProperty("--n", z)
  for (const name of ["translate", "--s", "will-change"]) style.removeProperty(name)
  floating.get(element)?.cancel()
  floating.delete(element)
}

/** Lays an element over a sticker: where that lies, moved as that is, and as ready to move. */
export function follow(element, stick) {
  lay(element, laid.get(stick) ?? placeOf(stick))
  for (const name of ["translate", "--s", "--r"]) if (stick.style.getPropertyValue(name)) element.style.setProperty(name, stick.style.getPropertyValue(name))
  if (floating.has(stick)) float(element)
}

/** Lays a sticker where the server has it. */
export function settle(stick) {
  lay(stick, placeOf(stick), stick.dataset.z)
  stick.classList.remove("is-moving")
}

/**
 * Shows a sticker somewhere else without laying it there: by what needs no layout. `size` is the layer's, in pixels. Answers the
 * properties that say it, for what goes along.
 */
export function lift(stick, place, size) {
  // The server's place may have changed since; until it is laid there, it lies where it lay.
  if (!laid.has(stick)) laid.set(stick, placeOf(stick))
  const kept = laid.get(stick)
  const rem = size.rem / 16
  const left = ({ x, width }) => Math.min((x / MOST_X) * size.width, size.width - width * rem)
  const top = ({ y, width }) => Math.min(y * rem, size.height - width * rem)
  const grown = ((place.width - kept.width) * rem) / 2
  // Asked for only where it matters: a question for a height may lay out the page.
  const grownDown = grown && kept.width ? (grown * (stick.offsetHeight || kept.width * rem)) / (kept.width * rem) : grown
  const lifted = {
    "will-change": MOVED_BY,
    translate: `${left(place) - left(kept) + grown}px ${top(place) - top(kept) + grownDown}px`,
    "--s": `${place.width / kept.width}`,
    "--r": `${place.rotation}deg`,
  }
  take(stick, lifted)
  return lifted
}

/** Gives an element properties. One that it has already isn't said again: for a custom property, what lies in it would be styled anew. */
export function take({ style }, properties) {
  for (const name in properties) if (style.getPropertyValue(name) !== properties[name]) style.setProperty(name, properties[name])
}

/**
 * Until it is laid somewhere, an element is about to move: it has an animation that leads nowhere and stands still. Chromium takes a
 * new place of such a one straight to its compositor; of any other it first asks what overlaps what on the whole wall, which
 * is more than a frame's work where a hundred stickers lie.
 */
export function float(element) {
  if (floating.has(element)) return
  element.style.willChange = MOVED_BY
  const animation = element.animate({ translate: ["0px 0px", "0px 0px"] }, { duration: 1_000, composite: "add" })
  animation.pause()
  floating.set(element, animation)
}

/** What `lift` needs to know of a layer, in pixels: its width and height, and what a rem of the wall is on it. */
export function sizeOf(layer) {
  const scale = Number(getComputedStyle(layer).getPropertyValue("--k")) || 1
  return { width: layer.clientWidth, height: layer.clientHeight, rem: scale * parseFloat(getComputedStyle(document.documentElement).fontSize) }
}
