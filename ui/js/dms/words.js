// What others wrote, as nodes: always text, never markup. And amounts and times in words.
import { dayOf } from "../rooms/time.js"

const ADDRESS = /\bhttps?:\/\/[^\s<>"“”]+/gi
/** What ends a sentence rather than an address. */
const TRAILING = /[.,;:!?'’)\]}]+$/
/** Characters that turn the direction of what follows, or can't be seen: a file's name has no use for them. */
const TRICKS = /[\p{Cc}\p{Cf}\u2028\u2029]/gu
/** The last moment that a date can be. */
const LAST_MOMENT = 8.64e15
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const short = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" })
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" })

/** A text as nodes, its web addresses as links, and what matches one of the words in <mark>. */
export function written(text, words = []) {
  const nodes = []
  let end = 0
  for (const { 0: found, index } of text.matchAll(ADDRESS)) {
    const address = found.replace(TRAILING, (tail) => (tail.startsWith(")") && found.includes("(") ? tail[0] : ""))
    const link = linkTo(address, words)
    if (!link) continue
    nodes.push(...marked(text.slice(end, index), words), link)
    end = index + address.length
  }
  return [...nodes, ...marked(text.slice(end), words)]
}

/** A text as nodes, with what matches one of the words in <mark>. */
export function marked(text, words = []) {
  const sought = words.filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  if (sought.length === 0) return text ? [document.createTextNode(text)] : []
  return text
    .split(new RegExp(`(${sought.join("|")})`, "giu"))
    .map((part, at) => (at % 2 ? element("mark", part) : document.createTextNode(part)))
    .filter(({ textContent }) => textContent)
}

function linkTo(address, words) {
  if (!URL.canParse(address)) return null
  const link = document.createElement("a")
  link.href = address
  link.target = "_blank"
  link.rel = "noopener noreferrer"
  link.title = link.href
  link.append(...marked(address, words))
  return link
}

/** An element with a text. */
export function element(name, text, className = "") {
  const made = document.createElement(name)
  made.textContent = text
  if (className) made.className = className
  return made
}

/** The beginning of a text in one line. */
export function begin(text, most = 120) {
  const line = text.replace(/\s+/g, " ").trim()
  return [...line].length > most ? `${[...line].slice(0, most - 1).join("")}…` : line
}

/** What a message says, in one line: its text, or what was attached to it. */
export function gist({ text = "", files = [], deleted = null, unknown = false }) {
  if (deleted) return "taken back"
  if (unknown) return "something that this page doesn't know"
  if (text.trim()) return begin(text)
  return files.length === 1 ? `a file: ${fileName(files[0].name)}` : `${files.length} files`
}

/** A file's name as it may be shown and saved: in one line, without what could disguise its ending or lead elsewhere. */
export function fileName(name) {
  return name.replace(TRICKS, "").replace(/[/\\:*?"<>|]/g, "_").trim().slice(-120) || "file"
}

/** An amount of bytes: "3 B", "12 kB", "1.4 MB". */
export function size(bytes) {
  if (bytes < 1_000) return `${bytes} B`
  if (bytes < 1_000_000) return `${Math.round(bytes / 1_000)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** Writes a moment (Unix milliseconds) into a <time>: the hour, or with `isFar` the day of what was not today. What no clock says is told
 *  as the nearest that one does. */
export function stamp(time, told, isFar = false) {
  const ms = Math.min(Math.max(Number(told) || 0, 0), LAST_MOMENT)
  time.dateTime = new Date(ms).toISOString()
  time.title = whole.format(ms)
  time.textContent = isFar && dayOf(ms) !== dayOf(Date.now()) ? short.format(ms) : hour.format(ms)
}
