import { parse, patch } from "./morph.js"
import { send } from "./send.js"

const FARTHEST_JITTER_PX = 8
const CELL_GAP_REM = 1.5
const MOST_WIDTH = 4
const MOST_HEIGHT = 12

// <neo-wall-editor> around the grid: modules are carried by their grip and pulled at their corner, with mouse, finger or
// keys; every change is sent at once, and the page stays a plain form for everyone else.
class NeoWallEditor extends HTMLElement {
  #carried = null
  #pulled = null
  #queue = Promise.resolve()
  #observer = new MutationObserver(() => this.#dress())

  connectedCallback() {
    this.addEventListener("pointerdown", this.#grab)
    this.addEventListener("keydown", this.#key)
    this.addEventListener("submit", this.#submit)
    document.addEventListener("keydown", this.#undoKey)
    document.addEventListener("submit", this.#restore)
    this.#observer.observe(this.#grid, { childList: true })
    this.#dress()
  }

  disconnectedCallback() {
    this.removeEventListener("pointerdown", this.#grab)
    this.removeEventListener("keydown", this.#key)
    this.removeEventListener("submit", this.#submit)
    document.removeEventListener("keydown", this.#undoKey)
    document.removeEventListener("submit", this.#restore)
    this.#observer.disconnect()
    this.#letGo()
  }

  get #grid() {
    return this.querySelector("#wall-grid")
  }

  get #modules() {
    return [...this.#grid.querySelectorAll(":scope > neo-module")]
  }

  // Corners to pull exist only where there is a script to pull them.
  #dress() {
    for (const module of this.#modules) {
      if (module.querySelector(":scope > .corner")) continue
      const corner = Object.assign(document.createElement("button"), { type: "button", className: "corner", tabIndex: -1 })
      corner.setAttribute("aria-label", `Size of ${module.dataset.name}`)
      corner.setAttribute("data-keep", "")
      module.append(corner)
    }
  }

  // ---- pointer -------------------------------------------------------------------------------------------------

  #grab = (event) => {
    if (event.button !== 0) return
    const handle = event.target.closest(".grip, .corner")
    const module = handle?.closest("neo-module")
    if (!module) return
    event.preventDefault()
    handle.focus()
    const start = { module, x: event.clientX, y: event.clientY, pointer: event.pointerId }
    if (handle.matches(".grip")) this.#carried = { ...start, next: module.nextElementSibling, ghost: null, lastX: start.x, lastY: start.y }
    else this.#pulled = { ...start, width: Number(module.dataset.w), height: Number(module.dataset.h), before: [module.dataset.w, module.dataset.h] }
    addEventListener("pointermove", this.#drag)
    addEventListener("pointerup", this.#drop)
    addEventListener("pointercancel", this.#cancel)
    addEventListener("keydown", this.#escape)
    module.classList.add("is-held")
  }

  #drag = (event) => {
    event.preventDefault()
    if (this.#carried) this.#carry(event)
    else if (this.#pulled) this.#pull(event)
  }

  #carry(event) {
    const carried = this.#carried
    if (!carried.ghost) {
      if (Math.hypot(event.clientX - carried.x, event.clientY - carried.y) < FARTHEST_JITTER_PX) return
      carried.ghost = Object.assign(document.createElement("div"), { className: "ghost", textContent: carried.module.dataset.name })
      document.body.append(carried.ghost)
      document.body.classList.add("is-dragging")
      carried.module.classList.add("is-dragged")
    }
    carried.ghost.style.translate = `${event.clientX + 12}px ${event.clientY + 12}px`
    this.#scrollNear(event.clientY)
    // A place that has just changed under the pointer must not change back before the pointer moves on.
    if (Math.hypot(event.clientX - carried.lastX, event.clientY - carried.lastY) < FARTHEST_JITTER_PX) return
    const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("neo-module")
    if (!over || over === carried.module || over.parentElement !== this.#grid) return
    const box = over.getBoundingClientRect()
    const later = box.width > box.height * 1.5 ? event.clientY > box.top + box.height / 2 : event.clientX > box.left + box.width / 2
    const before = later ? over.nextElementSibling : over
    if (before === carried.module || before === carried.module.nextElementSibling) return
    carried.lastX = event.clientX
    carried.lastY = event.clientY
    this.#place(carried.module, before)
  }

  #pull(event) {
    const pulled = this.#pulled
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize)
    const columns = getComputedStyle(this.#grid).gridTemplateColumns.split(" ").length
    const cellWidth = (this.#grid.clientWidth + CELL_GAP_REM * rem) / columns
    const cellHeight = 5.5 * rem
    this.#resize(pulled.module, pulled.width + Math.round((event.clientX - pulled.x) / cellWidth), pulled.height + Math.round((event.clientY - pulled.y) / cellHeight))
  }

  #drop = () => {
    const { module, next, ghost } = this.#carried ?? {}
    const pulled = this.#pulled
    this.#letGo()
    if (ghost && module.nextElementSibling !== next) this.#sendPlace(module)
    if (pulled && (pulled.before[0] !== pulled.module.dataset.w || pulled.before[1] !== pulled.module.dataset.h)) this.#sendSize(pulled.module)
  }

  #cancel = () => {
    if (this.#carried?.ghost) this.#place(this.#carried.module, this.#carried.next)
    if (this.#pulled) this.#resize(this.#pulled.module, ...this.#pulled.before.map(Number))
    this.#letGo()
  }

  #escape = (event) => {
    if (event.key === "Escape") this.#cancel()
  }

  #letGo() {
    removeEventListener("pointermove", this.#drag)
    removeEventListener("pointerup", this.#drop)
    removeEventListener("pointercancel", this.#cancel)
    removeEventListener("keydown", this.#escape)
    const module = this.#carried?.module ?? this.#pulled?.module
    module?.classList.remove("is-held", "is-dragged")
    this.#carried?.ghost?.remove()
    document.body.classList.remove("is-dragging")
    this.#carried = this.#pulled = null
  }

  #scrollNear(y) {
    const edge = 60
    if (y < edge) scrollBy(0, -12)
    else if (y > innerHeight - edge) scrollBy(0, 12)
  }

  // ---- keys ----------------------------------------------------------------------------------------------------

  #key = (event) => {
    const module = event.target.closest(".grip")?.closest("neo-module")
    if (!module || event.altKey || event.ctrlKey || event.metaKey) return
    const step = { ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowDown: [0, 1] }[event.key]
    if (event.key === "Delete" || event.key === "Backspace") this.#remove(module)
    else if (step && event.shiftKey) this.#grow(module, step)
    else if (step) this.#shift(module, step[0] + step[1])
    else return
    event.preventDefault()
  }

  #shift(module, by) {
    const all = this.#modules
    const at = all.indexOf(module)
    const to = at + by
    if (to < 0 || to >= all.length) return this.#say(`${module.dataset.name} is ${by < 0 ? "first" : "last"} already.`)
    this.#place(module, by < 0 ? all[to] : all[to].nextElementSibling)
    module.querySelector(".grip").focus()
    this.#sendPlace(module)
  }

  #grow(module, [x, y]) {
    const before = [module.dataset.w, module.dataset.h].join()
    this.#resize(module, Number(module.dataset.w) + x, Number(module.dataset.h) + y)
    if (before === [module.dataset.w, module.dataset.h].join()) return this.#say(`${module.dataset.name} can't go further that way.`)
    this.#sendSize(module)
  }

  #undoKey = (event) => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return
    if (event.target.closest("input, textarea, select")) return
    const form = document.querySelector("#undo form")
    if (!form) return
    event.preventDefault()
    form.requestSubmit()
  }

  // ---- changes -------------------------------------------------------------------------------------------------

  #place(module, before) {
    if (this.#grid.moveBefore) this.#grid.moveBefore(module, before)
    else this.#grid.insertBefore(module, before)
  }

  #resize(module, width, height) {
    const [leastWidth, leastHeight] = (module.dataset.limits || "1 1").split(" ").map(Number)
    module.dataset.w = Math.min(Math.max(width, leastWidth), MOST_WIDTH)
    module.dataset.h = Math.min(Math.max(height, leastHeight), MOST_HEIGHT)
  }

  #sendPlace(module) {
    const all = this.#modules
    const next = module.nextElementSibling?.id?.replace("module-", "") ?? ""
    this.#send(module, "move", { before: next }, `${module.dataset.name}: place ${all.indexOf(module) + 1} of ${all.length}.`)
  }

  #sendSize(module) {
    const { w: width, h: height } = module.dataset
    this.#send(module, "size", { width, height }, `${module.dataset.name}: ${width} wide, ${height} high.`)
  }

  #remove(module) {
    const heir = module.nextElementSibling ?? module.previousElementSibling
    this.#send(module, "remove", {}, "", (html) => {
      module.remove()
      this.#toast(html)
      heir?.querySelector?.(".grip")?.focus()
    })
  }

  #submit = (event) => {
    const module = event.target.closest("neo-module")
    if (!module || !event.target.action.endsWith("/remove")) return
    event.preventDefault()
    this.#remove(module)
  }

  #restore = async (event) => {
    if (!/\/modules\/\d+\/restore$/.test(event.target.action)) return
    event.preventDefault()
    const { ok, html, message } = await send(event.target.action, {})
    if (!ok) return this.#say(message)
    document.getElementById("undo")?.remove()
    patch({ target: "wall-grid", mode: "morph", html })
    this.#say("It is back.")
  }

  // One after another, so that the last word is the last.
  #send(module, what, fields, done, then) {
    this.#say("Saving…")
    this.#queue = this.#queue.then(async () => {
      const { ok, html, message } = await send(`${module.dataset.at}/${what}`, fields)
      if (!ok) return this.#say(message || parse(html).body.textContent.trim())
      if (then) then(html)
      else this.#say(`${done} Saved.`)
    })
  }

  #toast(html) {
    document.getElementById("undo")?.remove()
    const toast = parse(html).getElementById("undo")
    if (!toast) return
    document.body.append(document.importNode(toast, true))
    this.#say(toast.querySelector("span:not(.dot)").textContent)
  }

  #say(text) {
    document.getElementById("said").textContent = text
  }
}

customElements.define("neo-wall-editor", NeoWallEditor)
