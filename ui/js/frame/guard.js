// A worker between a page and the frame that a script runs in. It puts the loop guard into the source, holds the page's end of the
// channel, and lets through only what is small, rare and of the right shape: whatever a hostile frame sends is taken apart here,
// where nobody types. If that takes it too long, it is silent, and the page removes the frame.
import { parse } from "/static/v/vendor/acorn-8.19.0/acorn.mjs"

/** Letters of one message, and messages in one second. */
const MESSAGE_MOST = 4096
const MESSAGES_PER_SECOND = 30
const LINES_MOST = 20
const TEXT_MOST = 1200
const NAME_MOST = 40
const PARAMS_MOST = 12
const FRAMES_MOST = 1000
const NUMBER_MOST = 1e15
const LEVELS = ["log", "info", "warn", "error", "debug"]
const LOOPS = new Set(["ForStatement", "ForInStatement", "ForOfStatement", "WhileStatement", "DoWhileStatement"])

let port = null
/** Where the guards stand, in what runs: [line, column, length], columns from 0; and where the loops are, in the source. */
let inserted = []
let loops = []
let times = []
const params = new Set()

self.onmessage = ({ data, ports }) => {
  if (data.type === "open") return open(data, ports[0])
  port?.postMessage(JSON.stringify(data))
}

function open({ source, module, ...start }, end) {
  port = end
  port.onmessage = ({ data }) => hear(data)
  let guarded
  try {
    guarded = guard(source, module)
  } catch (error) {
    if (!error.loc) throw error
    const message = `SyntaxError: ${error.message.replace(/ \(\d+:\d+\)$/, "")}`
    tell({ type: "error", message, line: error.loc.line, column: error.loc.column + 1 })
    return tell({ type: "end", why: "It doesn't parse: the console says where.", bad: false })
  }
  port.postMessage(JSON.stringify({ ...start, type: "start", source: guarded, module }))
}

// Puts a call into each loop. Nothing moves to another line; columns are counted back by `original`.
function guard(source, module) {
  const tree = parse(source, { ecmaVersion: "latest", sourceType: module ? "module" : "script", locations: true, allowHashBang: true })
  const changes = []
  walk(tree, (node) => {
    if (!LOOPS.has(node.type)) return
    const spot = loops.push({ line: node.loc.start.line, column: node.loc.start.column + 1 }) - 1
    const { body } = node
    if (body.type === "BlockStatement") {
      const { line, column } = body.loc.start
      changes.push({ at: body.start + 1, line, column: column + 1, text: `neoLoop(${spot});` })
    } else {
      changes.push({ at: body.start, line: body.loc.start.line, column: body.loc.start.column, text: `{neoLoop(${spot});` })
      changes.push({ at: body.end, line: body.loc.end.line, column: body.loc.end.column, text: "}" })
    }
  })
  // Those at one place stay in the order in which they were found: the outer loop's first, and all ends are alike.
  changes.sort((one, other) => one.at - other.at)
  let guarded = ""
  let from = 0
  let line = 0
  let shift = 0
  for (const change of changes) {
    guarded += source.slice(from, change.at) + change.text
    from = change.at
    if (change.line !== line) shift = 0
    line = change.line
    inserted.push([line, change.column + shift, change.text.length])
    shift += change.text.length
  }
  return guarded + source.slice(from)
}

// Without recursion: a source can be nested deeper than the stack is.
function walk(tree, visit) {
  const open = [tree]
  while (open.length) {
    const node = open.pop()
    visit(node)
    for (const value of Object.values(node)) {
      if (Array.isArray(value)) for (const inner of value) inner?.type && open.push(inner)
      else if (value?.type && value.loc) open.push(value)
    }
  }
}

// A place in what runs, from 1, as a place in the source.
function original(line, column) {
  if (line === null) return { line: null, column: null }
  let back = 0
  for (const [at, from, length] of inserted) {
    if (at === line && from < column - 1) back += Math.min(length, column - 1 - from)
  }
  return { line, column: column - back }
}

function hear(data) {
  const now = performance.now()
  times = times.filter((time) => now - time < 1000)
  if (times.push(now) > MESSAGES_PER_SECOND) return end("It said too much at once: at most 30 messages a second are listened to.")
  if (typeof data !== "string" || data.length > MESSAGE_MOST) return end("It said something too long, or something that can't be said.")
  let message
  try {
    message = JSON.parse(data)
  } catch {
    return end("It said something that can't be understood.")
  }
  const clean = checked(message)
  if (!clean) return end("It said something that can't be understood.")
  tell(clean)
}

// The message with its known fields alone, or nothing.
function checked(message) {
  switch (message?.type) {
    case "ready":
      return { type: "ready" }
    case "beat":
      return isCount(message.frames, FRAMES_MOST) && { type: "beat", frames: message.frames }
    case "error":
      return isText(message.message, TEXT_MOST) && isPlace(message) && { type: "error", message: message.message, ...original(message.line, message.column) }
    case "loop":
      return isCount(message.spot, loops.length - 1) && { type: "error", message: "A loop went on for two seconds without a breath, and was ended.", ...loops[message.spot] }
    case "console":
      return Array.isArray(message.lines) && message.lines.length <= LINES_MOST + 1 && message.lines.every(isLine) && { type: "console", lines: message.lines.map(cleanLine) }
    case "param":
      return isParam(message) && cleanParam(message)
    default:
      return null
  }
}

const isCount = (value, most) => Number.isInteger(value) && value >= 0 && value <= most
const isText = (value, most) => typeof value === "string" && value.length <= most
const isNumber = (value) => Number.isFinite(value) && Math.abs(value) <= NUMBER_MOST
const isPlace = ({ line, column }) => (line === null && column === null) || (isCount(line, 1e7) && line > 0 && isCount(column, 1e7) && column > 0)
const isLine = (line) => LEVELS.includes(line?.level) && isText(line.text, TEXT_MOST) && isPlace(line) && isCount(line.times, 1e9)
const cleanLine = ({ level, text, line, column, times: repeats }) => ({ level, text, ...original(line, column), times: repeats })

function isParam({ name, value, min, max, step }) {
  if (!isText(name, NAME_MOST) || !name || ![value, min, max, step].every(isNumber)) return false
  params.add(name)
  return params.size <= PARAMS_MOST
}

const cleanParam = ({ name, value, min, max, step }) => ({ type: "param", name, value, min, max, step })

function end(why) {
  port.close()
  port.onmessage = null
  tell({ type: "end", why, bad: true })
}

function tell(message) {
  self.postMessage(message)
}
