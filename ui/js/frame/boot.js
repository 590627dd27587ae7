// The frame's own half: it runs before anything of the script does, gives it `neo`, tells the page around what goes on, and takes
// care that a script that means well is paused, bundled and ended as it should be. One that means ill lives in the same realm
// and may take all of this apart: what holds it is the document's policy, and the page around believes nothing that comes from here.
//
// Not a module: it must have run before the library does. In a file of its own (`scripts/alone.html`) it starts by itself.
"use strict"
;(() => {
  const NAME = "sketch.js"
  /** A loop may go on for so long without a breath, in milliseconds. */
  const LOOP_MS = 2000
  const BEAT_MS = 500
  /** Between two bundles of what was said, in milliseconds; how many lines one has, and how many characters it is. */
  const CONSOLE_MS = 200
  const CONSOLE_LINES = 20
  const BUNDLE_MOST = 3600
  const TEXT_MOST = 1000
  const PARAMS_MOST = 12
  const PARAM_NAME_MOST = 40
  const ERRORS_PER_SECOND = 5

  // What it needs itself, as the browser made it.
  const { parse, stringify } = JSON
  const { performance } = window
  const now = performance.now.bind(performance)
  const nativeFrame = window.requestAnimationFrame.bind(window)
  const nativeTimeout = window.setTimeout.bind(window)
  const nativeInterval = window.setInterval.bind(window)

  // Where the frame's policy is not known to the browser, these would be roads to others, and into the way back of the page around.
  for (const name of ["RTCPeerConnection", "webkitRTCPeerConnection"]) if (name in window) window[name] = undefined
  History.prototype.pushState = History.prototype.replaceState

  let port = null
  let send = () => {}
  let paused = false
  let ended = false
  let frames = 0

  // ---------- neo ----------
  const listeners = { param: [], resize: [] }
  const params = Object.create(null)
  const known = new Map()
  const given = Object.create(null)
  const media = (query) => window.matchMedia(query).matches
  const neo = {
    seed: 0,
    params,
    get width() {
      return window.innerWidth
    },
    get height() {
      return window.innerHeight
    },
    get dark() {
      return media("(prefers-color-scheme: dark)")
    },
    get still() {
      return media("(prefers-reduced-motion: reduce)")
    },
    /** A number that others may change while the script runs: its present value. */
    param(name, value, { min = 0, max = Math.max(1, value * 2), step = 0 } = {}) {
      name = String(name).slice(0, PARAM_NAME_MOST)
      if (known.has(name)) return params[name]
      const all = [value, min, max, step].map(Number)
      if (!name || !all.every(Number.isFinite)) throw new TypeError(`neo.param(${stringify(name)}, …) wants numbers`)
      if (known.size >= PARAMS_MOST) throw new RangeError(`a script has at most ${PARAMS_MOST} numbers to change`)
      const [first, least, most, by] = all
      known.set(name, { min: least, max: most })
      params[name] = name in given ? given[name] : first
      send({ type: "param", name, value: params[name], min: least, max: most, step: by })
      return params[name]
    },
    /** Tells when a number changes (`param`), or the size of the frame (`resize`). */
    on(what, listener) {
      if (!Object.hasOwn(listeners, what)) throw new TypeError("neo.on knows param and resize")
      listeners[what].push(listener)
    },
  }
  Object.defineProperty(window, "neo", { value: neo, enumerable: true })

  function setParams(values) {
    for (const [name, value] of Object.entries(values)) {
      if (!Number.isFinite(value)) continue
      given[name] = value
      if (!known.has(name) || params[name] === value) continue
      params[name] = value
      for (const listener of listeners.param) listener(name, value)
    }
  }

  // The same seed, the same numbers: sfc32, in the public domain.
  function seeded(seed) {
    let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed | 0]
    const next = () => {
      const t = (((a + b) | 0) + d) | 0
      d = (d + 1) | 0
      a = b ^ (b >>> 9)
      b = (c + (c << 3)) | 0
      c = ((c << 21) | (c >>> 11)) + t
      c |= 0
      return (t >>> 0) / 4294967296
    }
    for (let i = 0; i < 15; i++) next()
    return next
  }

  // ---------- the loop guard ----------
  // The page around puts a call of this into every loop (`guard.js`).
  let since = 0
  let ticks = 0
  const breath = new MessageChannel()
  breath.port1.onmessage = () => {
    since = 0
  }
  Object.defineProperty(window, "neoLoop", {
    value(spot) {
      if (since && (++ticks & 1023) && !ended) return
      const at = now()
      if (!since) {
        since = at
        breath.port2.postMessage(0)
      } else if (ended || at - since > LOOP_MS) {
        if (!ended) {
          ended = true
          flush()
          send({ type: "loop", spot })
        }
        throw new Error("A loop went on for two seconds without a breath, and was ended.")
      }
    },
  })

  // ---------- pausing ----------
  const waiting = []
  const later = (run) => (paused ? waiting.push(run) : run())
  const resting = new Map()
  let nextHandle = 1 << 30
  window.requestAnimationFrame = (callback) => {
    if (paused) {
      const handle = nextHandle++
      resting.set(handle, callback)
      return handle
    }
    return nativeFrame((time) => {
      if (ended) return
      if (paused) return void resting.set(nextHandle++, callback)
      countFrame(time)
      callback(time)
    })
  }
  const nativeCancel = window.cancelAnimationFrame.bind(window)
  window.cancelAnimationFrame = (handle) => {
    resting.delete(handle)
    nativeCancel(handle)
  }
  let lastFrame = -1
  function countFrame(time) {
    if (time !== lastFrame) frames++
    lastFrame = time
  }
  window.setTimeout = (callback, delay, ...rest) =>
    nativeTimeout(() => {
      if (!ended && typeof callback === "function") later(() => callback(...rest))
    }, delay)
  window.setInterval = (callback, delay, ...rest) =>
    nativeInterval(() => {
      if (!ended && !paused && typeof callback === "function") callback(...rest)
    }, delay)

  // Sound goes on by itself unless it is told.
  const sounds = new Set()
  for (const name of ["AudioContext", "webkitAudioContext"]) {
    const Native = window[name]
    if (!Native) continue
    window[name] = class extends Native {
      constructor(...rest) {
        super(...rest)
        sounds.add(this)
      }
    }
  }

  function pause() {
    paused = true
    for (const sound of sounds) if (sound.state === "running") sound.suspend()
  }

  function resume() {
    if (!paused) return
    paused = false
    for (const sound of sounds) if (sound.state === "suspended") sound.resume()
    for (const run of waiting.splice(0)) run()
    const callbacks = [...resting.values()]
    resting.clear()
    for (const callback of callbacks) window.requestAnimationFrame(callback)
  }

  // ---------- the console ----------
  let lines = []
  let left = 0
  for (const level of ["log", "info", "warn", "error", "debug"]) {
    const native = console[level].bind(console)
    console[level] = (...words) => {
      native(...words)
      say(level, words.map(inWords).join(" "), placeIn(new Error().stack))
    }
  }

  function say(level, text, place) {
    text = text.length > TEXT_MOST ? `${text.slice(0, TEXT_MOST)}…` : text
    const last = lines.at(-1)
    if (last && last.level === level && last.text === text && last.line === place.line) return void last.times++
    if (lines.length >= CONSOLE_LINES) return void left++
    lines.push({ level, text, ...place, times: 1 })
  }

  function flush() {
    if (left) lines.push({ level: "warn", text: `${left} more lines were left out`, line: null, column: null, times: 1 })
    left = 0
    const all = lines
    lines = []
    let bundle = []
    let size = 0
    let bundles = 0
    for (const line of all) {
      const length = stringify(line).length * 2
      if (bundle.length && size + length > BUNDLE_MOST) {
        if (++bundles > 2) break
        send({ type: "console", lines: bundle })
        bundle = []
        size = 0
      }
      bundle.push(length > BUNDLE_MOST ? { ...line, text: `${line.text.slice(0, 400)}…` } : line)
      size += length
    }
    if (bundle.length) send({ type: "console", lines: bundle })
  }

  function inWords(value) {
    if (typeof value === "string") return value
    if (value instanceof Error) return String(value)
    if (typeof value === "function") return `ƒ ${value.name || "anonymous"}()`
    if (typeof value !== "object" || value === null) return String(value)
    const seen = new Set()
    try {
      const text = stringify(value, (_, inner) => {
        if (typeof inner === "bigint" || typeof inner === "symbol") return String(inner)
        if (typeof inner === "function") return "ƒ"
        if (typeof inner !== "object" || inner === null) return inner
        if (seen.has(inner) || seen.size > 200) return "…"
        seen.add(inner)
        if (inner instanceof Map) return Object.fromEntries(inner)
        return inner instanceof Set || ArrayBuffer.isView(inner) ? [...inner].slice(0, 100) : inner
      })
      return text ?? String(value)
    } catch {
      return Object.prototype.toString.call(value)
    }
  }

  // Where in the script something happened; lines and columns as they are in what runs.
  function placeIn(stack) {
    const found = /sketch\.js:(\d+):(\d+)/.exec(stack ?? "")
    return found ? { line: Number(found[1]), column: Number(found[2]) } : { line: null, column: null }
  }

  let errors = 0
  nativeInterval(() => (errors = 0), 1000)
  function tellError(error, message, place) {
    if (ended || ++errors > ERRORS_PER_SECOND) return
    flush()
    send({ type: "error", message: String(message || error).slice(0, TEXT_MOST), ...place })
  }
  window.addEventListener("error", (event) => {
    if (!(event instanceof ErrorEvent)) return
    const here = event.filename?.endsWith(NAME) && event.lineno ? { line: event.lineno, column: event.colno } : placeIn(event.error?.stack)
    tellError(event.error, event.message, here)
  })
  window.addEventListener("unhandledrejection", ({ reason }) => {
    tellError(reason, `Uncaught (in promise) ${reason}`, placeIn(reason?.stack))
  })
  window.addEventListener("securitypolicyviolation", (event) => {
    const what = event.blockedURI || event.effectiveDirective
    say("warn", `The frame has no way out: ${what} was refused (${event.effectiveDirective}).`, placeIn(`${event.sourceFile}:${event.lineNumber}:${event.columnNumber}`))
  })

  // ---------- running ----------
  const mode = document.documentElement.dataset.mode
  let canvas = null
  if (mode === "canvas") {
    canvas = document.createElement("canvas")
    const context = canvas.getContext("2d")
    Object.defineProperty(window, "canvas", { value: canvas })
    Object.defineProperty(window, "context", { value: context })
  }

  function fit() {
    if (!canvas) return
    const ratio = Math.min(2, window.devicePixelRatio || 1)
    canvas.width = Math.round(window.innerWidth * ratio)
    canvas.height = Math.round(window.innerHeight * ratio)
    canvas.style.width = `${window.innerWidth}px`
    canvas.style.height = `${window.innerHeight}px`
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0)
  }

  window.addEventListener("resize", () => {
    fit()
    for (const listener of listeners.resize) listener(neo.width, neo.height)
  })

  function run({ source, module, seed, params: values }) {
    neo.seed = seed >>> 0
    Math.random = seeded(neo.seed)
    setParams(values ?? {})
    if (canvas) document.body.append(canvas)
    fit()
    nativeInterval(flush, CONSOLE_MS)
    const script = document.createElement("script")
    if (module) script.type = "module"
    script.textContent = `${source}\n//# sourceURL=${NAME}`
    const begun = () => {
      // p5 looks for setup and draw when the page has loaded, which it had before the script was there.
      if (window.p5 && !window.p5.instance && (typeof window.setup === "function" || typeof window.draw === "function")) new window.p5()
      send({ type: "ready" })
    }
    if (module) {
      // A module that stands in the page says neither that it is through nor that it failed: the one behind it, whose turn comes after
      // it in any case, does.
      const behind = document.createElement("script")
      behind.type = "module"
      behind.textContent = 'window.dispatchEvent(new Event("neo-begun"))'
      script.async = behind.async = false
      window.addEventListener("neo-begun", begun, { once: true })
      document.body.append(script, behind)
      return
    }
    document.body.append(script)
    begun()
  }

  function hear({ data }) {
    const message = parse(data)
    if (message.type === "start") run(message)
    else if (message.type === "params") setParams(message.params)
    else if (message.type === "pause") pause()
    else if (message.type === "resume") resume()
  }

  function beat() {
    send({ type: "beat", frames: Math.min(1000, frames * 2) })
    frames = 0
  }

  // One message is taken, from the page around, and the port that comes with it.
  function meet(event) {
    if (event.source !== window.parent || event.ports.length !== 1) return
    window.removeEventListener("message", meet)
    port = event.ports[0]
    const post = port.postMessage.bind(port)
    send = (message) => post(stringify(message))
    port.onmessage = hear
    beat()
    nativeInterval(beat, BEAT_MS)
  }

  if (window.neoAlone) {
    window.addEventListener("DOMContentLoaded", () => run(window.neoAlone))
    return
  }
  window.addEventListener("message", meet)
})()
