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
    // Control and a press are a menu on some machines.
    if (!from || carried || event.button !== 0 || event.ctrlKey) return
    const { pointerId, pointerType, clientX, clientY } = event
    carried = { from, pointerId, x: clientX, y: clientY, ghost: null, rests: null, undone: false }
    if (pointerType === "touch") carried.rests = setTimeout(raise, REST_MS)
    addEventListener("pointermove", move)
    addEventListener("pointerup", release)
    addEventListener("pointercancel", cancel)
    addEventListener("keydown", escape, true)
    addEventListener("contextmenu", forbid)
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

  const move = ({ pointerId, clientX, clientY, buttons }) => {
    if (pointerId !== carried.pointerId) return
    // It was let go where nobody told.
    if (buttons === 0) return letGo()
    if (carried.undone) return
    const way = Math.hypot(clientX - carried.x, clientY - carried.y)
    if (!carried.ghost && way < JITTER_PX) return
    if (carried.rests) return letGo()
    Object.assign(carried, { x: clientX, y: clientY })
    if (carried.ghost) follow()
    else raise()
  }

  const release = ({ pointerId }) => {
    if (pointerId !== carried.pointerId) return
    const { from, ghost, undone, x, y } = carried
    letGo()
    if (undone) return swallow()
    // Back where it came from it is a press.
    if (!ghost || from.contains(document.elementFromPoint(x, y))) return
    const form = from.form ?? from.closest(".pick").querySelector("form")
    drop(form, from.form ? from : form.querySelector("button"), x, y)
  }

  const cancel = ({ pointerId }) => pointerId === carried.pointerId && letGo()

  const escape = (event) => {
    if (event.key !== "Escape" || !carried.ghost) return
    event.stopPropagation()
    carried.ghost.remove()
    Object.assign(carried, { ghost: null, undone: true })
  }

  // The press that was thought better of isn't one.
  const swallow = () => {
    const stop = (click) => {
      click.preventDefault()
      click.stopPropagation()
    }
    addEventListener("click", stop, true)
    setTimeout(() => removeEventListener("click", stop, true))
  }

  // A finger that carries doesn't scroll, and brings no menu.
  const forbid = (event) => carried?.ghost && event.preventDefault()

  const letGo = () => {
    removeEventListener("pointermove", move)
    removeEventListener("pointerup", release)
    removeEventListener("pointercancel", cancel)
    removeEventListener("keydown", escape, true)
    removeEventListener("contextmenu", forbid)
    clearTimeout(carried?.rests)
    carried?.ghost?.remove()
    carried = null
  }

  tray.addEventListener("pointerdown", take)
  tray.addEventListener("touchmove", forbid, { passive: false })
  return () => {
    tray.removeEventListener("pointerdown", take)
    tray.removeEventListener("touchmove", forbid)
    letGo()
  }
}
