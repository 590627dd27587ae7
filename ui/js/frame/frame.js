// <neo-frame>: a window with a stage on which a member's script runs, in a frame that can reach nothing. This is the page's side of
// docs/scripts.md: it starts, pauses and ends, watches that the frame lives and stays where it is, and believes nothing that
// comes out of it (`guard.js` has looked at it before).
import { guardAddress } from "../trusted.js"

/** Frames that are alive on a page. */
const ALIVE_MOST = 2
/** Between two looks at whether a frame lives, and how many of them may find it silent. */
const LOOK_MS = 500
const SILENT_LOOKS = 6
/** A look that comes so late says nothing: the page itself had no time. */
const LATE_MS = 1500
/** How long a frame and its library may take to come. */
const LOADING_MS = 20_000
/** Messages to the page's window, which nobody reads, that are put up with in a second. */
const POSTS_PER_SECOND = 30
/** How often a frame may reach for the keyboard without having been clicked. */
const GRABS_MOST = 3
/** How often a frame may move the page around to where it wants to be seen. */
const SHOVES_MOST = 5
/** How many steps it may add to the way back. */
const STEPS_MOST = 5
/** How long after a wheel, a finger or a key the page goes on to move by it, in milliseconds. */
const MOVING_MS = 1500
/** How long a tab key explains that the focus goes somewhere, in milliseconds. */
const TAB_MS = 400
/** What ran when a page went down, or ended badly. */
const UNCLEAN = "neo-frames"
const UNCLEAN_MOST = 50

const FROZE = "It froze, so it was taken away. What you typed elsewhere is as it was."
const LEFT = "It tried to lead its frame somewhere else, so it was taken away."
const FLOOD = "It said too much at once, so it was taken away."
const GRABBED = "It kept reaching for the keyboard, so it was taken away."
const SHOVED = "It kept moving the page, so it was taken away."
const STEPPED = "It filled the way back with steps of its own, so it was taken away."
const LOST = "Its frame did not come. Is the line down?"
const WARNED = "It did not end well the last time. It starts if you ask it again."

/** Those that are alive, the oldest first. */
const alive = new Set()
/** The addresses of those that ended badly on this page, and weren't asked for since. */
const bad = new Set()
/** Where the focus was last, outside of every frame; and when the tab key was pressed. */
let lastFocus = null
let lastTab = -Infinity
/** When somebody last did what moves a page; and whether the pointer is known to be on it. */
let lastMove = -Infinity
let pointerHere = false

for (const what of ["wheel", "touchstart", "touchmove", "touchend", "pointerdown", "pointerup", "keydown", "keyup"]) {
  document.addEventListener(what, () => (lastMove = performance.now()), { capture: true, passive: true })
}
document.addEventListener("pointermove", () => (pointerHere = true), { capture: true, passive: true })
document.documentElement.addEventListener("pointerleave", () => (pointerHere = false))

document.addEventListener("focusin", ({ target }) => {
  if (!(target instanceof HTMLIFrameElement)) lastFocus = target
})
document.addEventListener("keydown", ({ key }) => {
  if (key === "Tab") lastTab = performance.now()
})

class NeoFrame extends HTMLElement {
  #state = "idle"
  #seed = 0
  #params = new Map()
  #source = ""
  #iframe = null
  #guard = null
  #port = null
  #loads = 0
  #beats = 0
  #silent = 0
  #looked = 0
  #look = 0
  #began = 0
  #posts = []
  #grabs = 0
  #shoves = 0
  #place = [0, 0]
  #steps = 0
  #pointed = false
  #onScreen = true
  #stopped = false
  #asked = false
  #screen = null
  hold = false

  connectedCallback() {
    this.addEventListener("click", this.#press)
    this.addEventListener("input", this.#slide)
    this.#stage.addEventListener("pointerenter", this.#point)
    this.#stage.addEventListener("pointerleave", this.#unpoint)
    window.addEventListener("message", this.#count)
    window.addEventListener("blur", this.#keep)
    window.addEventListener("scroll", this.#hold)
    window.addEventListener("pagehide", this.#leave)
    document.addEventListener("visibilitychange", this.#breathe)
    this.#screen = new IntersectionObserver(([entry]) => {
      this.#onScreen = entry.isIntersecting
      this.#breathe()
    })
    this.#screen.observe(this)
    this.#show()
  }

  disconnectedCallback() {
    this.stop()
    this.#screen.disconnect()
    this.removeEventListener("click", this.#press)
    this.removeEventListener("input", this.#slide)
    this.#stage?.removeEventListener("pointerenter", this.#point)
    this.#stage?.removeEventListener("pointerleave", this.#unpoint)
    window.removeEventListener("message", this.#count)
    window.removeEventListener("blur", this.#keep)
    window.removeEventListener("scroll", this.#hold)
    window.removeEventListener("pagehide", this.#leave)
    document.removeEventListener("visibilitychange", this.#breathe)
  }

  // What it starts with was changed where the page came from, while it runs: the numbers that are others now follow, what a visitor has
  // turned besides stays. A seed counts from the next start, and so does a number that was emptied.
  static observedAttributes = ["data-params"]

  attributeChangedCallback(_, before, now) {
    // Behind the change that brings it, which puts fields back as they were.
    if (this.#iframe) queueMicrotask(() => this.#follow(JSON.parse(before || "{}"), JSON.parse(now || "{}")))
  }

  #follow(before, now) {
    if (!this.#iframe) return
    for (const [name, value] of Object.entries(now)) {
      if (value === before[name]) continue
      this.set(name, value)
      for (const slider of this.#sliders?.querySelectorAll("[data-param]") ?? []) if (slider.dataset.param === name) slider.value = value
    }
  }

  get state() {
    return this.#state
  }

  get seed() {
    return this.#seed
  }

  /** The numbers that can be changed, by name. */
  get params() {
    return this.#params
  }

  /** Runs; ends what runs. Answers whether it began. */
  async start({ source, seed, params } = {}) {
    this.#end()
    // What runs in another place on this page is written down as well, and is none the worse for it.
    const warns = isUnclean(this.#key) && (bad.has(this.#key) || !isAlive(this.#key))
    if (warns && !this.#asked) {
      this.#asked = true
      this.#become("stopped", WARNED)
      return false
    }
    this.#asked = false
    bad.delete(this.#key)
    const run = {}
    this.#run = run
    this.#become("loading")
    this.#source = source ?? (await this.#fetched())
    if (this.#run !== run) return false
    if (this.#source === null) {
      this.#finish("ended", "Its text did not come. Is the line down?")
      return false
    }
    const given = seed ?? (this.dataset.seed ? Number(this.dataset.seed) : crypto.getRandomValues(new Uint32Array(1))[0])
    this.#seed = given >>> 0
    this.#open({ ...JSON.parse(this.dataset.params || "{}"), ...params })
    return true
  }
  #run = null

  stop() {
    if (this.#iframe || this.#state === "loading") this.#finish("stopped")
  }

  /** Starts again with the same seed and the same text. */
  restart() {
    return this.start({ source: this.#source || undefined, seed: this.#seed, params: this.#values() })
  }

  pause() {
    this.#stopped = true
    this.#breathe()
  }

  resume() {
    this.#stopped = false
    this.#breathe()
  }

  /** Changes one number while it runs. */
  set(name, value) {
    const param = this.#params.get(name)
    if (!param || !Number.isFinite(value)) return
    param.value = value
    this.#guard?.postMessage({ type: "params", params: { [name]: value } })
  }

  #open(params) {
    for (const oldest of alive) if (alive.size >= ALIVE_MOST && oldest !== this) oldest.stop()
    alive.add(this)
    const { port1, port2 } = new MessageChannel()
    const stage = this.#stage.getBoundingClientRect()
    this.#guard = new Worker(guardAddress(), { type: "module" })
    this.#guard.onmessage = ({ data }) => this.#hear(data)
    this.#guard.onerror = () => this.#finish("ended", LOST)
    const start = { source: this.#source, module: this.dataset.mode === "three", seed: this.#seed, params, width: Math.round(stage.width), height: Math.round(stage.height) }
    const { matches: dark } = matchMedia("(prefers-color-scheme: dark)")
    const { matches: still } = matchMedia("(prefers-reduced-motion: reduce)")
    this.#guard.postMessage({ type: "open", ...start, dark, still }, [port1])
    this.#port = port2
    this.#loads = 0
    this.#beats = 0
    this.#silent = 0
    this.#posts = []
    this.#grabs = 0
    this.#shoves = 0
    this.#place = [scrollX, scrollY]
    this.#steps = history.length
    this.#began = performance.now()
    this.#looked = this.#began
    this.#iframe = document.createElement("iframe")
    // In this order: what it may is settled before it has an address.
    this.#iframe.setAttribute("sandbox", "allow-scripts")
    this.#iframe.setAttribute("allow", "")
    this.#iframe.referrerPolicy = "no-referrer"
    this.#iframe.title = `The script “${this.dataset.title}”`
    this.#iframe.addEventListener("load", this.#loaded)
    this.#iframe.src = this.dataset.frame
    this.#stage.append(this.#iframe)
    this.#look = setInterval(this.#watch, LOOK_MS)
    markUnclean(this.#key)
  }

  // The document is there: it gets its port, and the one message that is ever posted to it. A second one is a document that it
  // led itself to.
  #loaded = () => {
    if (++this.#loads > 1) return this.#finish("ended", LEFT, true)
    this.#iframe.contentWindow.postMessage('{"neo":1}', "*", [this.#port])
  }

  #hear(message) {
    if (!this.#iframe) return
    switch (message.type) {
      case "beat":
        this.#beats++
        return this.#tell("beat", { frames: message.frames })
      case "ready":
        if (this.#state === "loading") this.#become("running")
        return this.#breathe()
      case "console":
        for (const line of message.lines) this.#tell("console", line)
        return
      case "error":
        return this.#tell("error", { message: message.message, line: message.line, column: message.column })
      case "param": {
        const { type, ...param } = message
        this.#params.set(param.name, param)
        this.#addSlider(param)
        return this.#tell("param", { ...param })
      }
      case "end":
        return this.#finish("ended", message.why, message.bad)
    }
  }

  // Looks whether it lives. What counts are looks that came in time: one who sleeps, or whose page had no time, is no judge.
  #watch = () => {
    const now = performance.now()
    const late = now - this.#looked > LATE_MS
    this.#looked = now
    if (document.hidden || late) return void (this.#silent = 0)
    if (this.#loads === 0) {
      if (now - this.#began > LOADING_MS) this.#finish("ended", LOST)
      return
    }
    if (history.length > this.#steps + STEPS_MOST) return this.#finish("ended", STEPPED, true)
    this.#silent = this.#beats ? 0 : this.#silent + 1
    this.#beats = 0
    if (this.#silent >= SILENT_LOOKS) this.#finish("ended", FROZE, true)
  }

  // Nobody reads what a frame posts to the window; one that does so without end is a nuisance all the same. `data` isn't looked at:
  // that would take it apart here.
  #count = ({ source }) => {
    if (!this.#iframe || source !== this.#iframe.contentWindow) return
    const now = performance.now()
    this.#posts = this.#posts.filter((time) => now - time < 1000)
    if (this.#posts.push(now) > POSTS_PER_SECOND) this.#finish("ended", FLOOD, true)
  }

  // A frame that takes the focus without being clicked or tabbed into gives it back.
  #keep = () => {
    if (!this.#iframe || document.activeElement !== this.#iframe) return
    if (this.#pointed || performance.now() - lastTab < TAB_MS) return
    // Once the event is through: what is given back within it stays with the frame as far as the browser's keys are concerned.
    setTimeout(this.#giveBack)
  }

  #giveBack = () => {
    if (!this.#iframe || document.activeElement !== this.#iframe) return
    this.#iframe.blur()
    if (lastFocus?.isConnected) lastFocus.focus({ preventScroll: true })
    if (++this.#grabs >= GRABS_MOST) this.#finish("ended", GRABBED, true)
  }

  // A frame that wants to be seen moves the page that it is in. Where it is plain that nobody else did (the pointer is on the page, not
  // on the frame nor on a scroll bar, and neither wheel, finger nor key was used just now), the page goes back to where it was.
  #hold = () => {
    if (!this.#iframe) return
    const now = performance.now()
    if (!this.#isUnmoved()) {
      this.#place = [scrollX, scrollY]
      // What goes on by itself, as after a push, was begun by somebody.
      if (now - lastMove < MOVING_MS) lastMove = Math.max(lastMove, now - MOVING_MS / 2)
      return
    }
    if (this.#isInPlace()) return
    const [left, top] = this.#place
    scrollTo({ left, top, behavior: "instant" })
    if (++this.#shoves >= SHOVES_MOST) this.#finish("ended", SHOVED, true)
  }

  #isInPlace() {
    return scrollX === this.#place[0] && scrollY === this.#place[1]
  }

  // Whether it is plain that nobody moves the page.
  #isUnmoved() {
    return pointerHere && !this.#pointed && document.hasFocus() && performance.now() - lastMove >= MOVING_MS
  }

  // A frame that has moved the page until it lies beneath a resting pointer wasn't pointed at: the browser says that it was before it
  // says that the page has moved.
  #point = () => (this.#pointed = !this.#iframe || this.#isInPlace() || !this.#isUnmoved())
  #unpoint = () => (this.#pointed = false)

  // Paused while nobody can see it.
  #breathe = () => {
    if (!this.#iframe || (this.#state !== "running" && this.#state !== "paused")) return
    const rests = this.#stopped || (!this.hold && (document.hidden || !this.#onScreen))
    if (rests === (this.#state === "paused")) return
    this.#guard.postMessage({ type: rests ? "pause" : "resume" })
    this.#become(rests ? "paused" : "running")
  }

  #leave = () => {
    if (this.#iframe && !bad.has(this.#key)) forget(this.#key)
  }

  #finish(state, why = "", badly = false) {
    const hadFocus = this.#iframe && document.activeElement === this.#iframe
    if (badly && this.#iframe) {
      bad.add(this.#key)
      markUnclean(this.#key)
    }
    this.#end()
    this.#become(state, why)
    if (hadFocus) this.querySelector("[data-run]")?.focus({ preventScroll: true })
  }

  #end() {
    this.#run = null
    clearInterval(this.#look)
    this.#guard?.terminate()
    this.#guard = null
    this.#port = null
    if (this.#iframe) {
      this.#iframe.removeEventListener("load", this.#loaded)
      this.#iframe.remove()
      this.#iframe = null
    }
    this.#stopped = false
    this.#params.clear()
    this.#sliders?.replaceChildren()
    // The same sketch may run in another place on the page.
    if (alive.delete(this) && !bad.has(this.#key) && !isAlive(this.#key)) forget(this.#key)
  }

  #become(state, why = "") {
    this.#state = state
    this.#show(why)
    this.#tell("state", { state, why })
  }

  #show(why = "") {
    this.dataset.state = this.#state
    const runs = this.#iframe !== null || this.#state === "loading"
    for (const button of this.querySelectorAll("[data-run]")) button.hidden = runs
    for (const button of this.querySelectorAll("[data-stop], [data-again]")) button.hidden = !runs
    const said = this.querySelector("[data-why]")
    if (said) {
      said.textContent = why
      said.hidden = !why
    }
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(`frame:${what}`, { bubbles: true, detail }))
  }

  #press = ({ target }) => {
    if (target.closest("[data-run]")) {
      this.start()
      if (this.#state === "loading") this.querySelector("[data-stop]")?.focus({ preventScroll: true })
    } else if (target.closest("[data-stop]")) {
      this.stop()
      this.querySelector("[data-run]")?.focus({ preventScroll: true })
    } else if (target.closest("[data-again]")) {
      this.restart()
    }
  }

  #slide = ({ target }) => {
    if (target.matches("input[data-param]")) this.set(target.dataset.param, target.valueAsNumber)
  }

  #addSlider({ name, value, min, max, step }) {
    if (!this.#sliders) return
    const label = document.createElement("label")
    const slider = document.createElement("input")
    const text = document.createElement("span")
    text.textContent = name
    slider.type = "range"
    Object.assign(slider, { min, max, step: step || "any", value })
    slider.dataset.param = name
    label.append(text, slider)
    this.#sliders.append(label)
  }

  #values() {
    return Object.fromEntries([...this.#params.values()].map(({ name, value }) => [name, value]))
  }

  async #fetched() {
    try {
      const response = await fetch(this.dataset.source, { headers: { accept: "text/plain" } })
      return response.ok ? response.text() : null
    } catch {
      return null
    }
  }

  get #key() {
    return this.dataset.frame
  }

  get #stage() {
    return this.querySelector("[data-stage]")
  }

  get #sliders() {
    return this.querySelector("[data-params-here]")
  }
}

// What runs is written down where it outlives the page, and struck out when it ends well.
function uncleans() {
  try {
    return JSON.parse(localStorage.getItem(UNCLEAN) ?? "{}")
  } catch {
    return {}
  }
}

const isAlive = (key) => [...alive].some((frame) => frame.dataset.frame === key)

const isUnclean = (key) => Object.hasOwn(uncleans(), key)

function markUnclean(key) {
  keepUncleans({ ...uncleans(), [key]: Date.now() })
}

function forget(key) {
  const { [key]: _, ...others } = uncleans()
  keepUncleans(others)
}

function keepUncleans(all) {
  const newest = Object.entries(all).sort(([, one], [, other]) => other - one)
  try {
    localStorage.setItem(UNCLEAN, JSON.stringify(Object.fromEntries(newest.slice(0, UNCLEAN_MOST))))
  } catch {
    // A browser that keeps nothing forgets this, too.
  }
}

customElements.define("neo-frame", NeoFrame)
