import { morph, parse } from "../morph.js"
import { say as tell } from "../live.js"
import { fieldsOf, get, send } from "../send.js"
import { hush } from "../motion.js"
import { LEAST_WIDTH, MOST_WIDTH, MOST_X, float, follow, lay, lift, placeOf, settle, sizeOf, take } from "./place.js"
import { openShelf } from "./shelf.js"

/** A gesture is told so often at most; one that rests is told again, so that nobody takes it for over. */
const GESTURE_EVERY_MS = 40
const GESTURE_AGAIN_MS = 1_000
/** What was done with keys is kept when no key came for so long. */
const KEYS_REST_MS = 600
const INSPECT_AFTER_MS = 120
/** The numbers of what moves are shown when it rests for so long. */
const NUMBERS_REST_MS = 200
const JITTER_PX = 4
const NEW_WIDTH = 96
const STEP_PX = 8
const UNDO_MOST = 200
const clamp = (value, least, most) => Math.min(Math.max(value, least), most)
const rounded = ({ x, y, width, rotation }) => ({ x: Math.round(x), y: Math.round(y), width: Math.round(width), rotation: Math.round(rotation) })
const turned = (degrees) => ((((degrees + 180) % 360) + 360) % 360) - 180

// <neo-sticker-tray data-at="/wall/ana/stickers" data-me="ana" data-own>: while it is open, stickers on the wall can be dragged, turned, sized,
// stacked, doubled and taken off, with mouse, fingers or keys, and what was done can be undone. What moves is told as it moves;
// what is let go is sent once. Everything in it is a plain form or link for those without a script.
class NeoStickerTray extends HTMLElement {
  #layer = null
  #size = null
  #held = null // the chosen sticker's id
  #handles = null
  #drag = null
  #keys = null
  #told = 0
  #later = null
  #inspecting = null
  #numbering = null
  #put = new WeakMap() // sticker → where it was put, until the server has answered
  #wake = () => {}
  #closeShelf = () => {}
  #queue = Promise.resolve()
  #done = []
  #undone = []
  #resize = new ResizeObserver(() => this.#measure())
  #observer = new MutationObserver(() => this.#dress())

  connectedCallback() {
    this.#layer = document.getElementById("stickers")
    if (!this.#layer) return
    this.#layer.classList.add("is-editing")
    this.#resize.observe(this.#layer)
    this.#observer.observe(this.#layer, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-rev", "tabindex", "class"] })
    this.#layer.addEventListener("pointerdown", this.#grab)
    this.#layer.addEventListener("keydown", this.#key)
    this.#layer.addEventListener("focusin", this.#choose)
    this.#layer.addEventListener("focusout", this.#keepKeys)
    this.#layer.addEventListener("load", this.#seen, true)
    this.#closeShelf = openShelf(this, this.#drop)
    this.addEventListener("submit", this.#submit)
    this.addEventListener("click", this.#click)
    document.addEventListener("keydown", this.#undoKey)
    this.querySelector("#sticker-tools").hidden = false
    this.#measure()
    this.#dress()
    const open = this.querySelector("#sticker-set form[data-sticker-change]")
    if (open) this.#hold(document.getElementById(`sticker-${open.getAttribute("action").split("/").at(-1)}`), false)
  }

  disconnectedCallback() {
    this.#letGo(false)
    this.#keepKeys()
    this.#closeShelf()
    this.#resize.disconnect()
    this.#observer.disconnect()
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("click", this.#click)
    document.removeEventListener("keydown", this.#undoKey)
    clearTimeout(this.#inspecting)
    clearTimeout(this.#numbering)
    const layer = this.#layer
    if (!layer) return
    layer.removeEventListener("pointerdown", this.#grab)
    layer.removeEventListener("keydown", this.#key)
    layer.removeEventListener("focusin", this.#choose)
    layer.removeEventListener("focusout", this.#keepKeys)
    layer.removeEventListener("load", this.#seen, true)
    layer.classList.remove("is-editing")
    layer.setAttribute("role", "group")
    layer.setAttribute("aria-label", "Stickers")
    this.#handles?.remove()
    for (const stick of layer.querySelectorAll(":scope > .is-mine")) undress(stick)
  }

  get #chosen() {
    return this.#held && document.getElementById(`sticker-${this.#held}`)
  }

  #mine(stick) {
    return "own" in this.dataset || stick.dataset.by === this.dataset.me
  }

  #measure() {
    this.#size = sizeOf(this.#layer)
    this.#frame()
  }

  // What can be moved can be reached and says so; a change from the server takes that off again, so it is put on again.
  #dress() {
    if (!this.isConnected) return
    const layer = this.#layer
    if (!layer.classList.contains("is-editing")) layer.classList.add("is-editing")
    if (layer.getAttribute("role") !== "application") {
      layer.setAttribute("role", "application")
      layer.setAttribute("aria-label", "Stickers. Arrow keys move the one that has the focus, plus and minus size it, R turns it, Page up and down stack it, D doubles it, Delete takes it off.")
    }
    for (const stick of layer.querySelectorAll(":scope > .stick")) {
      if (!this.#mine(stick) || stick.matches(".is-mine[tabindex]")) continue
      stick.classList.add("is-mine")
      stick.tabIndex = 0
      stick.removeAttribute("aria-hidden")
      stick.setAttribute("role", "img")
      stick.setAttribute("aria-roledescription", "sticker")
      stick.setAttribute("aria-label", stick.dataset.name)
    }
    const lifted = this.#drag?.moved && this.#drag.stick
    if (lifted && !lifted.matches(".is-lifted")) lifted.classList.add("is-lifted")
    if (this.#held && !this.#chosen) this.#forget()
    else this.#frame()
  }

  // ---- which one -----------------------------------------------------------------------------------------------

  #choose = ({ target }) => {
    if (target.matches(".stick.is-mine")) this.#hold(target)
  }

  #hold(stick, inspect = true) {
    if (!stick || !this.isConnected || !this.#mine(stick)) return
    const id = stick.dataset.sticker
    if (this.#held === id) return this.#frame()
    this.#keepKeys()
    this.#held = id
    this.#frame()
    if (inspect) this.#inspect()
  }

  // Nothing is chosen any more.
  #forget() {
    this.#held = null
    this.#handles?.remove()
    const set = this.querySelector("#sticker-set")
    if (set) {
      set.hidden = true
      set.replaceChildren()
    }
  }

  #inspect() {
    clearTimeout(this.#inspecting)
    const id = this.#held
    this.#inspecting = setTimeout(async () => {
      const html = await get(`${this.dataset.at}/${id}`)
      if (html && this.#held === id) this.#renew(html)
    }, INSPECT_AFTER_MS)
  }

  // Handles to pull, where they can be pulled.
  #frame() {
    const stick = this.#chosen
    if (!stick || !this.isConnected) return this.#handles?.remove()
    if (!this.#handles) {
      this.#handles = Object.assign(document.createElement("div"), { className: "handles", ariaHidden: "true" })
      this.#handles.dataset.keep = ""
      for (const grip of ["nw", "ne", "sw", "se", "turn"]) {
        const handle = document.createElement("b")
        handle.dataset.grip = grip
        this.#handles.append(handle)
      }
    }
    if (!this.#handles.isConnected) this.#layer.append(this.#handles)
    if (stick.isHeld) return
    follow(this.#handles, stick)
    this.#handles.style.setProperty("--h", `${stick.offsetHeight || stick.offsetWidth}px`)
  }

  // A picture has its height once it is there.
  #seen = () => this.#frame()

  // Where a sticker lies: where it was put last, though the server may not have answered.
  #placeOf(stick) {
    return this.#put.get(stick) ?? placeOf(stick)
  }

  // ---- pointers ------------------------------------------------------------------------------------------------

  #grab = (event) => {
    if (event.button !== 0) return
    const grip = event.target.closest(".handles > b")?.dataset.grip
    const stick = grip ? this.#chosen : event.target.closest(".stick.is-mine")
    if (!stick) return
    event.preventDefault()
    if (this.#drag) {
      // A second finger sizes and turns.
      if (this.#drag.stick === stick && this.#drag.pointers.size === 1) this.#begin("pinch", event)
      return
    }
    this.#keepKeys()
    this.#hold(stick)
    stick.focus({ preventScroll: true })
    if (stick.matches(".is-moving")) stick.classList.remove("is-moving")
    // The layers that this makes need not wait for the first frame.
    this.#float(stick)
    this.#drag = { stick, pointers: new Map(), kept: this.#placeOf(stick), moved: false }
    this.#begin(grip === "turn" ? "turn" : grip ? "size" : "move", event)
    addEventListener("pointermove", this.#move)
    addEventListener("pointerup", this.#release)
    addEventListener("pointercancel", this.#cancel)
    addEventListener("keydown", this.#escape, true)
  }

  #begin(how, event) {
    const drag = this.#drag
    if (event) drag.pointers.set(event.pointerId, { x: event.pageX, y: event.pageY })
    const box = drag.stick.getBoundingClientRect()
    Object.assign(drag, {
      how,
      from: drag.place ?? drag.kept,
      start: new Map([...drag.pointers].map(([id, at]) => [id, { ...at }])),
      centre: { x: (box.left + box.right) / 2 + scrollX, y: (box.top + box.bottom) / 2 + scrollY },
      height: drag.stick.offsetHeight || drag.stick.offsetWidth,
    })
  }

  #move = (event) => {
    const drag = this.#drag
    const pointer = drag?.pointers.get(event.pointerId)
    if (!pointer) return
    Object.assign(pointer, { x: event.pageX, y: event.pageY, clientY: event.clientY, snaps: event.shiftKey })
    const first = drag.start.get(event.pointerId)
    if (!drag.moved && Math.hypot(pointer.x - first.x, pointer.y - first.y) < JITTER_PX) return
    if (!drag.moved) {
      drag.moved = drag.stick.isHeld = true
      this.#wake = hush(document)
      drag.stick.classList.add("is-lifted")
    }
    drag.next ??= requestAnimationFrame(() => {
      drag.next = null
      if (this.#drag === drag) this.#show()
    })
  }

  // Once a frame at most: nothing of it needs layout.
  #show() {
    const drag = this.#drag
    drag.place = this.#within(this.#asked(drag), drag.stick)
    this.#lift(drag.stick, drag.place)
    const { clientY } = [...drag.pointers.values()].at(-1)
    if (drag.how === "move" && clientY < 48) scrollBy(0, -12)
    else if (drag.how === "move" && clientY > innerHeight - 48) scrollBy(0, 12)
  }

  // Where the pointers want it.
  #asked({ how, from, pointers, start, centre }) {
    const [[id, at], second] = [...pointers]
    const began = start.get(id)
    const unit = 16 / this.#size.rem
    if (how === "move") {
      return { ...from, x: from.x + ((at.x - began.x) / this.#size.width) * MOST_X, y: from.y + (at.y - began.y) * unit }
    }
    const [a, b] = second ? [at, second[1]] : [centre, at]
    const [a0, b0] = second ? [began, start.get(second[0])] : [centre, began]
    const grown = Math.hypot(b.x - a.x, b.y - a.y) / Math.max(Math.hypot(b0.x - a0.x, b0.y - a0.y), 1)
    const angle = ((Math.atan2(b.y - a.y, b.x - a.x) - Math.atan2(b0.y - a0.y, b0.x - a0.x)) * 180) / Math.PI
    let { rotation, width, x, y } = from
    if (how !== "size") rotation = turned(at.snaps ? Math.round((rotation + angle) / 15) * 15 : rotation + angle)
    if (how !== "turn") {
      width = clamp(from.width * grown, LEAST_WIDTH, MOST_WIDTH)
      // It grows from its middle.
      const more = width - from.width
      x -= ((more / 2 / unit) / this.#size.width) * MOST_X
      y -= (more / 2) * (this.#drag.height / Math.max(this.#drag.stick.offsetWidth, 1))
    }
    if (second) {
      x += ((a.x + b.x - a0.x - b0.x) / 2 / this.#size.width) * MOST_X
      y += ((a.y + b.y - a0.y - b0.y) / 2) * unit
    }
    return { x, y, width, rotation }
  }

  // On the wall, whole.
  #within(place) {
    const unit = 16 / this.#size.rem
    const right = ((this.#size.width - place.width / unit) / this.#size.width) * MOST_X
    const bottom = this.#size.height * unit - place.width
    return rounded({ ...place, x: clamp(place.x, 0, Math.max(right, 0)), y: clamp(place.y, 0, Math.max(bottom, 0)) })
  }

  #release = ({ pointerId }) => {
    const drag = this.#drag
    if (!drag?.pointers.has(pointerId)) return
    // The last of the way may still wait for a frame.
    if (drag.next) this.#show()
    drag.pointers.delete(pointerId)
    if (drag.pointers.size > 0) return this.#begin("move")
    const { stick, kept, place, moved } = drag
    this.#letGo(true)
    if (moved && place) this.#keep(stick, kept, place)
    else this.#rest(stick)
  }

  #cancel = ({ pointerId }) => this.#drag?.pointers.has(pointerId) && this.#letGo(false)

  #escape = (event) => {
    if (event.key !== "Escape") return
    event.stopPropagation()
    this.#letGo(false)
    this.#say("It lies where it was.")
  }

  #letGo(kept) {
    removeEventListener("pointermove", this.#move)
    removeEventListener("pointerup", this.#release)
    removeEventListener("pointercancel", this.#cancel)
    removeEventListener("keydown", this.#escape, true)
    const drag = this.#drag
    this.#drag = null
    if (!drag) return
    drag.stick.classList.remove("is-lifted")
    this.#wake()
    this.#wake = () => {}
    cancelAnimationFrame(drag.next)
    clearTimeout(this.#later)
    clearTimeout(this.#numbering)
    drag.stick.isHeld = false
    if (kept) {
      if (drag.place) this.#number(drag.stick, drag.place)
      return
    }
    if (drag.moved) this.#gesture(drag.stick, this.#placeOf(drag.stick))
    this.#number(drag.stick, this.#placeOf(drag.stick))
    this.#rest(drag.stick)
  }

  // It lies where it was put last, by whomever.
  #rest(stick) {
    lay(stick, this.#placeOf(stick), stick.dataset.z)
    this.#frame()
  }

  #lift(stick, place) {
    this.#float(stick)
    const lifted = lift(stick, place, this.#size)
    if (this.#handles?.isConnected) take(this.#handles, lifted)
    this.#gesture(stick, place)
    // Fields that change lay out the page, which a frame has no time for.
    clearTimeout(this.#numbering)
    this.#numbering = setTimeout(() => this.#number(stick, place), NUMBERS_REST_MS)
  }

  #float(stick) {
    float(stick)
    if (this.#handles?.isConnected) float(this.#handles)
  }

  // Told at most so often; the last one always.
  #gesture(stick, place) {
    clearTimeout(this.#later)
    const frame = { event: "gesture", topic: this.#layer.dataset.topic, sticker: Number(stick.dataset.sticker), ...place, x: place.x / 100 }
    const now = performance.now()
    const say = () => {
      this.#told = performance.now()
      tell(frame)
      if (stick.isHeld) this.#later = setTimeout(say, GESTURE_AGAIN_MS)
    }
    if (now - this.#told >= GESTURE_EVERY_MS) say()
    else this.#later = setTimeout(say, GESTURE_EVERY_MS - (now - this.#told))
  }

  #number(stick, place) {
    const form = this.querySelector(`form[data-sticker-change][action$="/${stick.dataset.sticker}"]`)
    if (!form) return
    form.elements.x.value = place.x / 100
    for (const name of ["y", "width", "rotation"]) form.elements[name].value = place[name]
  }

  // ---- keys ----------------------------------------------------------------------------------------------------

  #key = (event) => {
    const stick = event.target.closest(".stick.is-mine")
    if (!stick || this.#drag || event.altKey || event.ctrlKey || event.metaKey) return
    const by = event.shiftKey ? 1 : STEP_PX
    const step = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] }[event.key]
    if (step) this.#nudge(stick, (place) => ({ ...place, x: place.x + (step[0] / this.#size.width) * MOST_X, y: place.y + (step[1] * 16) / this.#size.rem }))
    else if (event.key === "+" || event.key === "=") this.#nudge(stick, (place) => ({ ...place, width: clamp(place.width + STEP_PX, LEAST_WIDTH, MOST_WIDTH) }))
    else if (event.key === "-" || event.key === "_") this.#nudge(stick, (place) => ({ ...place, width: clamp(place.width - STEP_PX, LEAST_WIDTH, MOST_WIDTH) }))
    else if (event.key === "r" || event.key === "R") this.#nudge(stick, (place) => ({ ...place, rotation: turned(place.rotation + (event.shiftKey ? -5 : 5)) }))
    else if (event.key === "PageUp") this.#stack(stick, "forward")
    else if (event.key === "PageDown") this.#stack(stick, "backward")
    else if (event.key === "Home") this.#stack(stick, "front")
    else if (event.key === "End") this.#stack(stick, "back")
    else if (event.key === "d" || event.key === "D") this.#duplicate(stick)
    else if (event.key === "Delete" || event.key === "Backspace") this.#remove(stick)
    else if (event.key === "Enter") this.querySelector("#sticker-x")?.focus()
    else if (event.key === "Escape") this.#leave()
    else return
    event.preventDefault()
  }

  #nudge(stick, change) {
    if (this.#keys && this.#keys.stick !== stick) this.#keepKeys()
    this.#keys ??= { stick, kept: this.#placeOf(stick), place: this.#placeOf(stick), timer: null }
    const keys = this.#keys
    stick.isHeld = true
    keys.place = this.#within(change(keys.place))
    this.#lift(stick, keys.place)
    clearTimeout(keys.timer)
    keys.timer = setTimeout(this.#keepKeys, KEYS_REST_MS)
  }

  #keepKeys = () => {
    const keys = this.#keys
    this.#keys = null
    if (!keys) return
    clearTimeout(keys.timer)
    clearTimeout(this.#later)
    clearTimeout(this.#numbering)
    keys.stick.isHeld = false
    this.#number(keys.stick, keys.place)
    if (keys.stick.isConnected) this.#keep(keys.stick, keys.kept, keys.place)
  }

  #leave() {
    this.#keepKeys()
    this.querySelector("#sticker-tools button:not([disabled]), a, input:not([type=hidden])")?.focus()
  }

  #undoKey = (event) => {
    const key = event.key.toLowerCase()
    if (!(event.ctrlKey || event.metaKey) || (key !== "z" && key !== "y")) return
    if (event.target.closest?.("input, textarea, select")) return
    event.preventDefault()
    if (key === "y" || event.shiftKey) this.#redo()
    else this.#undo()
  }

  // ---- changes -------------------------------------------------------------------------------------------------

  // One write, with what has changed alone.
  #keep(stick, kept, place) {
    const names = Object.keys(place).filter((name) => place[name] !== kept[name])
    if (names.length === 0) {
      settle(stick)
      return this.#frame()
    }
    const only = (of) => Object.fromEntries(names.map((name) => [name, of[name]]))
    const entry = { what: "place", id: stick.dataset.sticker, before: only(kept), after: only(place) }
    this.#put.set(stick, place)
    this.#sending(async () => {
      const ok = await this.#send(entry.id, "", sent(entry.after))
      if (this.#put.get(stick) === place) this.#put.delete(stick)
      if (!ok) return this.#back(entry.id)
      this.#remember(entry)
      this.#say(`${stick.dataset.name}: ${where(place)}. Saved.`)
    })
  }

  #stack(stick, to) {
    this.#keepKeys()
    const id = stick.dataset.sticker
    this.#sending(async () => {
      const before = this.#above(id)
      if (!(await this.#send(id, "stack", { to }))) return
      const after = this.#above(id)
      if (before === after) return this.#say(`${stick.dataset.name} is ${to === "front" || to === "forward" ? "on top" : "at the bottom"} already.`)
      this.#remember({ what: "stack", id, before, after })
      this.#say(`${stick.dataset.name}: ${after ? "further down than the top" : "on top"}. Saved.`)
    })
  }

  #duplicate(stick) {
    this.#keepKeys()
    this.#sending(async () => {
      const fresh = await this.#send(stick.dataset.sticker, "duplicate", {})
      if (fresh) this.#added(fresh, `${stick.dataset.name}: there is another one.`)
    })
  }

  #added(fresh, words) {
    this.#remember({ what: "add", ids: [fresh.dataset.sticker] })
    const stick = document.getElementById(fresh.id)
    this.#dress()
    this.#hold(stick)
    stick?.focus({ preventScroll: true })
    stick?.scrollIntoView({ block: "nearest" })
    this.#say(`${words} Saved.`)
  }

  #remove(stick) {
    const id = stick.dataset.sticker
    clearTimeout(this.#keys?.timer)
    clearTimeout(this.#numbering)
    this.#keys = null
    stick.isHeld = false
    const all = [...this.#layer.querySelectorAll(":scope > .stick.is-mine")]
    const heir = all[all.indexOf(stick) + 1] ?? all[all.indexOf(stick) - 1]
    this.#sending(async () => {
      if (!(await this.#takeOff([id]))) return
      this.#remember({ what: "remove", ids: [id] })
      if (heir?.isConnected) heir.focus({ preventScroll: true })
      this.#say(`${stick.dataset.name} is off the wall. Undo puts it back.`)
    })
  }

  async #takeOff(ids) {
    for (const id of ids) {
      const { ok, status, message } = await send(`${this.dataset.at}/${id}/remove`, {})
      if (!ok && status !== 404) {
        this.#say(message)
        return false
      }
      document.getElementById(`sticker-${id}`)?.remove()
    }
    return true
  }

  async #putBack(ids) {
    const { ok, html, message } = await send(`${this.dataset.at}/restore`, [["id", ids.join(",")]])
    if (!ok) {
      this.#say(message || "It is not kept any more.")
      return false
    }
    for (const fresh of parse(html).querySelectorAll(".stick")) this.#accept(fresh)
    return true
  }

  // The id of the sticker right above one; null for the uppermost.
  #above(id) {
    const all = [...this.#layer.querySelectorAll(":scope > .stick")]
    all.sort((one, other) => one.dataset.z - other.dataset.z || one.dataset.sticker - other.dataset.sticker)
    return all[all.findIndex((stick) => stick.dataset.sticker === id) + 1]?.dataset.sticker ?? null
  }

  // Sends a change of one sticker, and shows what came of it; answers how it looks now, or nothing.
  async #send(id, what, fields) {
    const { ok, html, message } = await send(`${this.dataset.at}/${id}${what && `/${what}`}`, fields)
    if (!ok) {
      this.#say(message || "That did not work. Try again in a moment.")
      return null
    }
    // The one that was asked for, and those that moved in the stack for it.
    const sticks = parse(html).querySelectorAll(".stick")
    for (const stick of sticks) this.#accept(stick)
    const [fresh] = sticks
    if (fresh?.dataset.sticker === this.#held) this.#renew(html)
    return fresh
  }

  // What came by the socket first may be newer.
  #accept(fresh) {
    const old = document.getElementById(fresh.id)
    if (!old) {
      this.#layer.append(document.importNode(fresh, true))
      return this.#dress()
    }
    if (Number(fresh.dataset.rev) >= Number(old.dataset.rev)) morph(old, fresh)
    if (!old.isHeld) settle(old)
    this.#frame()
  }

  #renew(html) {
    const fresh = parse(html).getElementById("sticker-set")
    const set = this.querySelector("#sticker-set")
    if (!fresh || !set) return
    const about = (section) => section.querySelector("form")?.getAttribute("action")
    // What was typed for one sticker is not for another.
    if (about(fresh) !== about(set)) return set.replaceWith(document.importNode(fresh, true))
    if (!set.contains(document.activeElement)) set.querySelectorAll("input[type=number]").forEach((field) => (field.value = field.defaultValue))
    morph(set, fresh)
  }

  #back(id) {
    const stick = document.getElementById(`sticker-${id}`)
    if (stick && !stick.isHeld) settle(stick)
    this.#frame()
  }

  // One after another, so that the last word is the last.
  #sending(work) {
    this.#queue = this.#queue.then(work).catch((error) => console.error("neo-sticker-tray:", error))
  }

  // ---- undo ----------------------------------------------------------------------------------------------------

  #remember(entry) {
    this.#done.push(entry)
    if (this.#done.length > UNDO_MOST) this.#done.shift()
    this.#undone = []
    this.#buttons()
  }

  #buttons() {
    const tools = this.querySelector("#sticker-tools")
    if (!tools) return
    tools.querySelector("[data-do=undo]").disabled = this.#done.length === 0
    tools.querySelector("[data-do=redo]").disabled = this.#undone.length === 0
  }

  #undo() {
    this.#keepKeys()
    this.#sending(async () => {
      const entry = this.#done.pop()
      if (!entry) return this.#say("There is nothing to undo.")
      if (await this.#apply(entry, entry.before, entry.after, entry.what === "remove")) {
        this.#undone.push(entry)
        this.#say("Undone.")
      }
      this.#buttons()
    })
  }

  #redo() {
    this.#keepKeys()
    this.#sending(async () => {
      const entry = this.#undone.pop()
      if (!entry) return this.#say("There is nothing to do again.")
      if (await this.#apply(entry, entry.after, entry.before, entry.what === "add")) {
        this.#done.push(entry)
        this.#say("Done again.")
      }
      this.#buttons()
    })
  }

  // Makes it as it was, unless somebody else has changed that very thing meanwhile: then theirs stays, and that is said.
  async #apply({ what, id, ids }, wanted, expected, there) {
    if (ids) return there ? this.#putBack(ids) : this.#takeOff(ids)
    const stick = document.getElementById(`sticker-${id}`)
    if (!stick) {
      this.#say("That sticker is not on the wall any more.")
      return false
    }
    const theirs = () => {
      this.#say(`${stick.dataset.name} was changed by somebody else meanwhile: it stays as it is.`)
      return false
    }
    if (what === "place") {
      const now = placeOf(stick)
      if (Object.keys(expected).some((name) => now[name] !== expected[name])) return theirs()
      return Boolean(await this.#send(id, "", sent(wanted)))
    }
    if (what === "alt") {
      return Boolean(await this.#send(id, "", wanted))
    }
    if (what === "settings") return Boolean(await this.#send(id, "settings", wanted))
    if (this.#above(id) !== expected) return theirs()
    return Boolean(await this.#send(id, "stack", wanted ? { to: "under", other: wanted } : { to: "front" }))
  }

  // ---- forms ---------------------------------------------------------------------------------------------------

  #click = (event) => {
    const what = event.target.closest("[data-do]")?.dataset.do
    if (what === "undo") this.#undo()
    else if (what === "redo") this.#redo()
    const pick = event.target.closest("a[data-pick]")
    if (!pick || event.metaKey || event.ctrlKey || event.shiftKey) return
    const stick = document.getElementById(`sticker-${pick.dataset.pick}`)
    if (!stick) return
    event.preventDefault()
    event.stopPropagation()
    this.querySelector("a[data-pick][aria-current]")?.removeAttribute("aria-current")
    pick.setAttribute("aria-current", "true")
    stick.scrollIntoView({ block: "center", inline: "center" })
    stick.focus({ preventScroll: true })
  }

  #submit = (event) => {
    const form = event.target
    const stick = this.#chosen
    const fields = fieldsOf(form, event.submitter)
    const is = (what) => form.hasAttribute(`data-sticker-${what}`)
    if (form.method === "get") {
      event.preventDefault()
      const link = Object.assign(document.createElement("a"), { href: `?${new URLSearchParams(fields)}`, hidden: true })
      this.append(link)
      link.click()
      return link.remove()
    }
    if (is("add")) this.#add(form, fields)
    else if (is("change") && stick) this.#describe(stick, form)
    else if (is("stack") && stick) this.#stack(stick, event.submitter.value)
    else if (is("duplicate") && stick) this.#duplicate(stick)
    else if (is("remove") && stick) this.#remove(stick)
    else if (is("settings") && stick) this.#redraw(stick, form, fields)
    else if (is("clear")) this.#clear(fields)
    else if (is("restore")) this.#restore(form, fields)
    else return
    event.preventDefault()
    event.stopPropagation()
  }

  // In the middle of what one sees.
  #inSight() {
    const box = this.#layer.getBoundingClientRect()
    const tray = this.closest(".drawer").getBoundingClientRect()
    const foot = tray.left < box.right && tray.top > 0 ? Math.min(tray.top, innerHeight) : innerHeight
    return [box.left + box.width * (0.4 + Math.random() * 0.3), foot / 2 + Math.random() * 40]
  }

  // What was carried from the shelf: under the pointer.
  #drop = (form, button, x, y) => {
    if (!this.#layer.closest(".wall").contains(document.elementFromPoint(x, y))) return this.#say("Let go over the wall: it goes up where you do.")
    this.#add(form, fieldsOf(form, button), [x, y])
  }

  // With its middle there in the window.
  #add(form, fields, [x, y] = this.#inSight()) {
    const box = this.#layer.getBoundingClientRect()
    const unit = 16 / this.#size.rem
    const half = NEW_WIDTH / 2 / unit
    const place = this.#within({ x: ((x - half - box.left) / box.width) * MOST_X, y: (y - half - box.top) * unit, width: NEW_WIDTH, rotation: Math.round(Math.random() * 24 - 12) })
    this.#sending(async () => {
      const { ok, html, message } = await send(form.action, [...fields, ...Object.entries(sent(place))])
      if (!ok) return this.#say(message)
      const fresh = parse(html).querySelector(".stick")
      this.#accept(fresh)
      if (form.elements.emoji?.matches?.("input")) form.reset()
      this.#added(fresh, `${fresh.dataset.name} is on the wall.`)
    })
  }

  // Exact numbers, and words.
  #describe(stick, form) {
    const number = (name) => Number(form.elements[name].value)
    if (!form.reportValidity()) return
    const place = rounded({ x: number("x") * 100, y: number("y"), width: number("width"), rotation: number("rotation") })
    const alt = form.elements.alt.value
    const was = form.elements.alt.defaultValue
    this.#keep(stick, placeOf(stick), place)
    if (alt === was) return
    this.#sending(async () => {
      if (!(await this.#send(stick.dataset.sticker, "", { alt }))) return
      this.#remember({ what: "alt", id: stick.dataset.sticker, before: { alt: was }, after: { alt } })
      this.#say("Saved.")
    })
  }

  #redraw(stick, form, after) {
    const before = initial(form)
    this.#sending(async () => {
      if (!(await this.#send(stick.dataset.sticker, "settings", after))) return
      this.#remember({ what: "settings", id: stick.dataset.sticker, before, after })
      this.#say("Saved.")
    })
  }

  #restore(form, fields) {
    this.#sending(async () => {
      if (!(await this.#putBack(fields.map(([, id]) => id)))) return
      form.remove()
      this.#say("It is back.")
    })
  }

  #clear(fields) {
    const who = new URLSearchParams(fields).get("user")
    const ids = [...this.#layer.querySelectorAll(":scope > .stick")]
      .filter((stick) => stick.dataset.by !== this.dataset.me && (!who || stick.dataset.by === who))
      .map((stick) => stick.dataset.sticker)
    this.#sending(async () => {
      const { ok, message } = await send(`${this.dataset.at}/clear`, fields)
      if (!ok) return this.#say(message)
      for (const id of ids) document.getElementById(`sticker-${id}`)?.remove()
      if (ids.length > 0) this.#remember({ what: "remove", ids })
      this.#say(`They are off the wall. Undo puts them back.`)
    })
  }

  #say(text) {
    const said = document.getElementById("said")
    if (said) said.textContent = text
  }
}

function undress(stick) {
  stick.classList.remove("is-mine")
  for (const name of ["tabindex", "aria-roledescription"]) stick.removeAttribute(name)
}

// As the server takes it: percent from the left.
function sent(place) {
  return "x" in place ? { ...place, x: place.x / 100 } : { ...place }
}

function where({ x, y, width, rotation }) {
  return `${Math.round(x / 100)} percent from the left, ${y} from the top, ${width} wide, turned ${rotation} degrees`
}

// What a form was filled in with when it came.
function initial(form) {
  const fields = []
  for (const field of form.elements) {
    if (!field.name) continue
    if (field.type === "checkbox" || field.type === "radio") field.defaultChecked && fields.push([field.name, field.value])
    else if (field instanceof HTMLSelectElement) fields.push([field.name, ([...field.options].find((option) => option.defaultSelected) ?? field.options[0]).value])
    else fields.push([field.name, field.defaultValue])
  }
  return fields
}

customElements.define("neo-sticker-tray", NeoStickerTray)
