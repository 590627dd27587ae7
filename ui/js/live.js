// The line to the server: one WebSocket a page, opened when somebody first asks for something. It carries patches, which
// are morphed in, and events, which are passed on: `live:connected`, `live:presence`, `live:resync`, `live:message` … on the
// document. What it missed while it was down is fetched by a plain GET of the page: HTTP stays the truth. (A room's log, which
// that leaves alone, fetches what it missed by itself.)
import { morph, parse, patch } from "./morph.js"

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** An answer that takes longer does not come: the line is dead, although nobody has said so. */
const ANSWER_MS = 20_000
/** After so long without a word from the server it is asked whether it is still there. */
const SILENCE_MS = 45_000
/** A page that changes faster than it is fetched is fetched so often. */
const REFRESHES = 3

const topics = new Map() // topic → how many watch it
const asked = new Map() // ref → { each, until, resolve, timer }
let socket = null
let wait = FIRST_WAIT_MS
let timer = null
let wasOpen = false
let lastRef = 0
let heardAt = 0
let greeting = null
let patches = 0

/** Opens the line, if it is not open. */
export function connect() {
  if (socket || timer) return
  const address = new URL("/live", location.href)
  address.protocol = address.protocol.replace("http", "ws")
  socket = new WebSocket(address, "neospace.html.v1")
  socket.addEventListener("open", opened)
  socket.addEventListener("message", received)
  socket.addEventListener("close", closed)
}

/** Asks for the patches and the presence of a topic, such as `wall:ana`. */
export function watch(topic) {
  topics.set(topic, (topics.get(topic) ?? 0) + 1)
  if (!say({ event: "watch", topic })) connect()
}

/** Ends what `watch` began. */
export function unwatch(topic) {
  const left = (topics.get(topic) ?? 0) - 1
  if (left > 0) return topics.set(topic, left)
  topics.delete(topic)
  say({ event: "unwatch", topic })
}

/** Says something, if the line is open; answers whether it was. */
export function say(frame) {
  if (socket?.readyState !== WebSocket.OPEN) return false
  socket.send(JSON.stringify(frame))
  return true
}

/** Says something and waits for what answers it: frames with its `ref`, each handed to `each`, until `until` calls one of them
 *  the last. Answers that one; an `error` is always the last; null when the line is down or breaks meanwhile. */
export function ask(frame, { each = () => {}, until = () => true } = {}) {
  return new Promise((resolve) => {
    const ref = ++lastRef
    if (!say({ ...frame, ref })) return resolve(null)
    asked.set(ref, { each, until, resolve, timer: setTimeout(drop, ANSWER_MS) })
  })
}

/** What the server said first on this line: who one is; null before it has. */
export function connected() {
  return greeting
}

/** Fetches this page anew and morphs what a wall wears, its `main`, its edges and nothing else. */
export async function refresh() {
  const address = location.href
  let page = null
  // A page that was made before a patch which came meanwhile would take that back.
  for (let turn = 0, seen = -1; seen !== patches && turn < REFRESHES; turn++) {
    seen = patches
    const response = await fetch(address, { headers: { accept: "text/html" } }).catch(() => null)
    if (!response?.ok || address !== location.href) return
    page = parse(await response.text())
  }
  for (const id of ["look", "main", "edge", "drawer"]) {
    const old = document.getElementById(id)
    const fresh = page.getElementById(id)
    if (old && fresh) morph(old, fresh)
  }
  tell("live:refreshed", {})
}

function opened() {
  wait = FIRST_WAIT_MS
  heardAt = Date.now()
  for (const topic of topics.keys()) say({ event: "watch", topic })
  if (wasOpen) refresh()
  wasOpen = true
  document.documentElement.toggleAttribute("data-offline", false)
}

function received({ data }) {
  heardAt = Date.now()
  const frame = read(data)
  if (!frame) return console.warn("live: a frame that is none")
  if (answers(frame) && frame.event === "error") return
  switch (frame.event) {
    case "patch": {
      patches++
      patch(frame)
      return tell("live:patched", frame)
    }
    case "resync": {
      tell("live:resync", frame)
      return refresh()
    }
    case "connected": {
      greeting = frame
      return tell("live:connected", frame)
    }
    case "error": {
      return console.warn("live:", frame.message)
    }
    default: {
      tell(`live:${frame.event}`, frame)
    }
  }
}

// What came, if it is a frame.
function read(data) {
  try {
    const frame = JSON.parse(data)
    return typeof frame === "object" ? frame : null
  } catch {
    return null
  }
}

// Hands a frame to the one who asked for it; whether somebody did.
function answers(frame) {
  const question = asked.get(frame.ref)
  if (!question) return false
  clearTimeout(question.timer)
  if (frame.event !== "error" && !question.until(frame)) {
    question.timer = setTimeout(drop, ANSWER_MS)
    question.each(frame)
    return true
  }
  asked.delete(frame.ref)
  if (frame.event !== "error") question.each(frame)
  question.resolve(frame)
  return true
}

function closed() {
  socket = null
  for (const { timer, resolve } of asked.values()) {
    clearTimeout(timer)
    resolve(null)
  }
  asked.clear()
  document.documentElement.toggleAttribute("data-offline", wasOpen)
  tell("live:closed", {})
  timer = setTimeout(again, wait / 2 + Math.random() * wait / 2)
  wait = Math.min(wait * 2, LONGEST_WAIT_MS)
}

function again() {
  clearTimeout(timer)
  timer = null
  connect()
}

// Gives a line up that is dead: a proper goodbye would wait for an answer that does not come.
function drop() {
  if (!socket) return
  for (const [event, heed] of [["open", opened], ["message", received], ["close", closed]]) socket.removeEventListener(event, heed)
  socket.close()
  closed()
}

window.addEventListener("offline", drop)
window.addEventListener("online", () => {
  if (socket || !timer) return
  wait = FIRST_WAIT_MS
  again()
})
setInterval(() => {
  if (socket && Date.now() - heardAt > SILENCE_MS) ask({ event: "ping" })
}, SILENCE_MS / 3)

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }))
}
