import { connected, say } from "../live.js"
import { lift, settle, sizeOf } from "./place.js"

/** A sticker that nobody goes on moving lies again where it was kept last. */
const GESTURE_LASTS_MS = 3_000
const CURSOR_EVERY_MS = 50
const still = matchMedia("(prefers-reduced-motion: reduce)")
const narrow = matchMedia("(max-width: 60rem)")

// <neo-stickers data-topic="wall:ana">: everything that lies on a wall. Shows what others move while they move it, and, where the
// owner and the visitor both like it, where they point. Who wants no motion sees what was let go, and no cursors.
class NeoStickers extends HTMLElement {
  #observer = new MutationObserver((changes) => this.#changed(changes))
  #resize = new ResizeObserver(() => this.#measure())
  #moving = new Map() // sticker → timer
  #cursors = new Map() // name → element
  #size = { width: 0, height: 0, rem: 16 }
  #pointed = null
  #timer = null

  connectedCallback() {
    this.#observer.observe(this, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-rev"] })
    this.#resize.observe(this)
    document.addEventListener("live:gesture", this.#follow)
    document.addEventListener("live:cursor", this.#show)
    document.addEventListener("live:cursor_gone", this.#gone)
    document.addEventListener("live:closed", this.#alone)
    document.addEventListener("pointermove", this.#point, { passive: true })
    document.addEventListener("pointerleave", this.#away)
  }

  disconnectedCallback() {
    this.#observer.disconnect()
    this.#resize.disconnect()
    document.removeEventListener("live:gesture", this.#follow)
    document.removeEventListener("live:cursor", this.#show)
    document.removeEventListener("live:cursor_gone", this.#gone)
    document.removeEventListener("live:closed", this.#alone)
    document.removeEventListener("pointermove", this.#point)
    document.removeEventListener("pointerleave", this.#away)
    for (const timer of this.#moving.values()) clearTimeout(timer)
    this.#moving.clear()
    clearTimeout(this.#timer)
  }

  // What was changed lies where the server says, unless it is being dragged here: then the next change will.
  #changed(changes) {
    const sticks = new Set(changes.flatMap(({ target, addedNodes }) => [target, ...addedNodes]))
    for (const stick of sticks) if (stick.matches?.(".stick") && !stick.isHeld) this.#settle(stick)
    this.#reach()
  }

  #settle(stick) {
    clearTimeout(this.#moving.get(stick))
    this.#moving.delete(stick)
    settle(stick)
  }

  #follow = ({ detail: { topic, sticker, x, y, width, rotation } }) => {
    const stick = topic === this.dataset.topic && this.querySelector(`#sticker-${Number(sticker)}`)
    if (!stick || stick.isHeld || still.matches || this.#areOff) return
    stick.classList.add("is-moving")
    lift(stick, { x: x * 100, y, width, rotation }, this.#size)
    clearTimeout(this.#moving.get(stick))
    this.#moving.set(stick, setTimeout(() => stick.isHeld || this.#settle(stick), GESTURE_LASTS_MS))
  }

  #measure() {
    this.#size = sizeOf(this)
    this.#reach()
  }

  // On a narrow screen they lie on a sheet beside the wall, unless somebody decorates.
  get #areOff() {
    return narrow.matches && !this.classList.contains("is-editing")
  }

  // A sheet that scrolls can be reached with the keyboard.
  #reach() {
    if (this.scrollWidth > this.clientWidth && this.#areOff) this.tabIndex = 0
    else this.removeAttribute("tabindex")
  }

  // ---- cursors -------------------------------------------------------------------------------------------------

  #point = ({ clientX, clientY, pointerType }) => {
    if (!("cursors" in this.dataset) || pointerType === "touch" || !connected()?.cursor || document.body.matches(".is-dragging") || this.querySelector(":scope > .is-lifted")) return
    this.#pointed = [clientX, clientY]
    this.#timer ??= setTimeout(this.#tellPointed, CURSOR_EVERY_MS)
  }

  #tellPointed = () => {
    this.#timer = null
    const box = this.getBoundingClientRect()
    const [clientX, clientY] = this.#pointed
    const x = ((clientX - box.left) / box.width) * 100
    const y = ((clientY - box.top) / this.#size.rem) * 16
    if (x < 0 || x > 100 || y < 0 || clientY > box.bottom) return this.#away()
    say({ event: "cursor", topic: this.dataset.topic, x: Math.round(x * 100) / 100, y: Math.round(y) })
  }

  #away = () => {
    if (!this.#pointed) return
    clearTimeout(this.#timer)
    this.#timer = this.#pointed = null
    say({ event: "cursor", topic: this.dataset.topic })
  }

  #show = ({ detail: { topic, user, colour, x, y } }) => {
    if (topic !== this.dataset.topic || still.matches || narrow.matches) return
    let cursor = this.#cursors.get(user)
    if (!cursor?.isConnected) {
      cursor = Object.assign(document.createElement("div"), { className: "cursor", ariaHidden: "true" })
      cursor.dataset.keep = ""
      cursor.append(Object.assign(document.createElement("span"), { textContent: user }))
      this.#cursors.set(user, cursor)
      this.append(cursor)
    }
    cursor.dataset.colour = colour
    cursor.style.translate = `${(x / 100) * this.#size.width}px ${(y * this.#size.rem) / 16}px`
  }

  #gone = ({ detail: { topic, user } }) => {
    if (topic !== this.dataset.topic) return
    this.#cursors.get(user)?.remove()
    this.#cursors.delete(user)
  }

  #alone = () => {
    for (const cursor of this.#cursors.values()) cursor.remove()
    this.#cursors.clear()
  }
}

customElements.define("neo-stickers", NeoStickers)
