/** A finger that rests on something for so long carries it; one that moves on before scrolls. */
const REST_MS = 300
const JITTER_PX = 4

/**
 * Lets what the shelf of a tray offers be carried off with the mouse, a pen or a finger; what is only pressed is a button as ever.
 * `drop(form, button, x, y)` says what it is put up with when it is let go, and where in the window. Answers how that ends.
 */
export function openShelf(tray, drop) {
  let carried = null

  const take = (event) => {
    const from = event.target.closest(".emoji-grid > button, .pick > .mini, .pick button")
    if (!from || carried || event.button !== 0) return
    const { pointerId, pointerType, clientX, clientY } = event
    carried = { from, pointerId, x: clientX, y: clientY, ghost: null, rests: null }
    if (pointerType === "touch") carried.rests = setTimeout(raise, REST_MS)
    addEventListener("pointermove", move)
    addEventListener("pointerup", release)
    addEventListener("pointercancel", cancel)
    addEventListener("keydown", escape, true)
  }

  const raise = () => {
    const ghost = Object.assign(document.createElement("div"), { className: "stick carried", ariaHidden: "true" })
    const picture = carried.from.closest(".pick")?.querySelector(".mini")
    if (picture) ghost.append(Object.assign(new Image(), { src: picture.src }))
    else ghost.append(Object.assign(document.createElement("span"), { className: "emoji", textContent: carried.from.value }))
    document.body.append(ghost)
    Object.assign(carried, { ghost, rests: null })
    follow()
  }

  const follow = () => (carried.ghost.style.translate = `${carried.x}px ${carried.y}px`)

  const move = ({ pointerId, clientX, clientY }) => {
    if (pointerId !== carried.pointerId) return
    const way = Math.hypot(clientX - carried.x, clientY - carried.y)
    if (!carried.ghost && way < JITTER_PX) return
    if (carried.rests) return letGo()
    Object.assign(carried, { x: clientX, y: clientY })
    if (carried.ghost) follow()
    else raise()
  }

  const release = ({ pointerId }) => {
    if (pointerId !== carried.pointerId) return
    const { from, ghost, x, y } = carried
    letGo()
    if (!ghost) return
    const form = from.form ?? from.closest(".pick").querySelector("form")
    drop(form, from.form ? from : form.querySelector("button"), x, y)
  }

  const cancel = ({ pointerId }) => pointerId === carried.pointerId && letGo()

  const escape = (event) => {
    if (event.key !== "Escape" || !carried.ghost) return
    event.stopPropagation()
    letGo()
  }

  // A finger that carries doesn't scroll.
  const hold = (event) => carried?.ghost && event.preventDefault()

  const letGo = () => {
    removeEventListener("pointermove", move)
    removeEventListener("pointerup", release)
    removeEventListener("pointercancel", cancel)
    removeEventListener("keydown", escape, true)
    clearTimeout(carried?.rests)
    carried?.ghost?.remove()
    carried = null
  }

  tray.addEventListener("pointerdown", take)
  tray.addEventListener("touchmove", hold, { passive: false })
  return () => {
    tray.removeEventListener("pointerdown", take)
    tray.removeEventListener("touchmove", hold)
    letGo()
  }
}
