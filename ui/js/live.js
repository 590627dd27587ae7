// The line to the server: one WebSocket a page, opened when somebody first asks for something. It carries patches, which
// are morphed in, and events, which are passed on: `live:connected`, `live:presence`, `live:resync` on the document.
// What it missed while it was down is fetched by a plain GET of the page: HTTP stays the truth.
import { morph, parse, patch } from "./morph.js"

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

const topics = new Map() // topic → how many watch it
let socket = null
let wait = FIRST_WAIT_MS
let timer = null
let wasOpen = false

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
  if (socket?.readyState === WebSocket.OPEN) say({ event: "watch", topic })
  else connect()
}

/** Ends what `watch` began. */
export function unwatch(topic) {
  const left = (topics.get(topic) ?? 0) - 1
  if (left > 0) return topics.set(topic, left)
  topics.delete(topic)
  if (socket?.readyState === WebSocket.OPEN) say({ event: "unwatch", topic })
}

/** Fetches this page anew and morphs its `main`, its edges and nothing else. */
export async function refresh() {
  const response = await fetch(location.href, { headers: { accept: "text/html" } })
  if (!response.ok) return
  const page = parse(await response.text())
  for (const id of ["main", "edge", "drawer"]) {
    const old = document.getElementById(id)
    const fresh = page.getElementById(id)
    if (old && fresh) morph(old, fresh)
  }
  tell("live:refreshed", {})
}

function opened() {
  wait = FIRST_WAIT_MS
  for (const topic of topics.keys()) say({ event: "watch", topic })
  if (wasOpen) refresh()
  wasOpen = true
  document.documentElement.toggleAttribute("data-offline", false)
}

function received({ data }) {
  const frame = JSON.parse(data)
  switch (frame.event) {
    case "patch": {
      patch(frame)
      return tell("live:patched", frame)
    }
    case "resync": {
      return refresh()
    }
    case "error": {
      return console.warn("live:", frame.message)
    }
    default: {
      tell(`live:${frame.event}`, frame)
    }
  }
}

function closed() {
  socket = null
  document.documentElement.toggleAttribute("data-offline", wasOpen)
  timer = setTimeout(() => {
    timer = null
    connect()
  }, wait / 2 + Math.random() * wait / 2)
  wait = Math.min(wait * 2, LONGEST_WAIT_MS)
}

function say(frame) {
  socket.send(JSON.stringify(frame))
}

function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }))
}
