// The checker: a conversation as one member may believe it. `readMessage` looks at one message by itself, and opens it; `look` takes all that
// is loaded and answers what was said and every alarm that there is reason for. What it answers depends on what is loaded and known and on nothing
// else. The rules stand under "Opening" in docs/direct-messages.md; host/dm/src/thread.rs follows the same.
//
// It shows nothing that it couldn't check, and believes the server's word about nothing but its order, which it holds against the counters.
import { sentence } from "./alarms.js"
import { fromBase64url, isName, isWhole, Malformed, same, sha256 } from "./bytes.js"
import { isHidingTag } from "./keys.js"
import { newestAt } from "./log.js"
import { conversationId, decodeHeader, HEADER_BYTES, inOrder, messageHash, open, RECIPIENTS, SENDERS, Unknown } from "./message.js"
import { NOWHERE } from "./notebook.js"

/** Where the sealed time and the server's differ by more, both are shown. */
const TIMES_DIFFER_MS = 10 * 60_000
/** The last moment that a browser's clock can say, in milliseconds: a sender may write any number. */
const LAST_MOMENT = 8.64e15
const LONGEST_COPY = 32 + 16384 + 16

/** A message as the server shows it (`M` of the protocol), with bytes in place of base64url. Throws `Malformed`. */
export function readShown(shown) {
  const { id, seq, at, from, header, copy, other, own, hidden, removed } = shown ?? {}
  const whole = isWhole(id) && isWhole(seq) && isWhole(at) && isName(from) && typeof header === "string" && header.length <= 2 * HEADER_BYTES
  if (!whole || (typeof copy === "string" && copy.length > 2 * LONGEST_COPY)) throw new Malformed("not a message")
  const bytes = (text, length) => (text === undefined || text === null ? null : fromBase64url(text, length))
  return { id, seq, at, from, header: fromBase64url(header), copy: bytes(copy), other: fromBase64url(other, 32), own: bytes(own, 32), hidden: bytes(hidden, 32), removed: removed === true }
}

/** What there is to find out about a message by itself: `{ shown, mine, counter, header, hash, hidden }` (`hidden`: a tag of mine says so), and one of
 *  `opened` (`{ said, body, key }`), `bad` (an alarm's code), and `gone` (there is no copy). What has no counter has no place in a stream. */
export async function readMessage(shown, { me, peer, generations }) {
  const mine = shown.from === me
  const placeless = (bad) => ({ shown, mine, counter: 0, header: null, hash: null, bad })
  let header
  try {
    header = decodeHeader(shown.header)
  } catch (error) {
    return placeless(error instanceof Unknown ? "version" : "broken")
  }
  const names = mine ? { sender: me, recipient: peer } : { sender: peer, recipient: me }
  const sender = inOrder(me, peer)[0] === names.sender ? 0 : 1
  const fits = shown.from === names.sender && header.sender === sender && same(header.conversation, await conversationId(me, peer))
  const own = shown.copy ? await sha256(shown.copy) : shown.own
  if (!fits || !own) return placeless("broken")

  const hash = await (mine ? messageHash(shown.header, shown.other, own) : messageHash(shown.header, own, shown.other))
  const read = { shown, mine, counter: header.counter, header, hash }
  read.hidden = shown.hidden !== null && (await isHidingTag(generations, shown.hidden, hash))
  if (!shown.copy) return { ...read, gone: true }
  const sealedTo = mine ? header.from : header.to
  const keys = generations.find(({ identity }) => same(identity, sealedTo))
  if (!keys) return { ...read, bad: "broken" }
  try {
    return { ...read, opened: await open(mine ? SENDERS : RECIPIENTS, names, keys.pair, shown.header, shown.copy) }
  } catch {
    return { ...read, bad: "broken" }
  }
}

/** Looks at a conversation. `messages` are those loaded, as `readMessage` made them, ascending by `seq`, each with `lies`: whether the head that it
 *  names lies in the key log (null: beyond it). `complete` says that there are none before them; `notices` are what was noticed on the way.
 *  `trust` is `{ own, theirs, pin, at: { mine, theirs } }`: the log's entries of both, and what the notebook has.
 *
 *  Answers `{ items, notices, mine, theirs }`: what was said, in order; `{ code, whose, first, last }` for whatever is wrong; the newest position
 *  of each stream. */
export function look(messages, { complete, notices, trust }) {
  const check = { messages, complete, trust, notices: new Map(), withheld: new Map(), streams: { mine: new Map(), theirs: new Map() } }
  for (const { code, whose, first, last } of notices) say(check, code, whose, first, last)
  checkKeys(check)
  checkPlaces(check)
  for (const whose of ["mine", "theirs"]) {
    checkStream(check, whose)
    checkSeen(check, whose)
  }
  const items = itemsOf(check)
  return { items, notices: [...check.notices.values()], mine: newest(check, "mine"), theirs: newest(check, "theirs") }
}

/** What a notice says to people. */
export function noticeSentence({ code, whose, first, last }) {
  if (!whose) return sentence(code)
  const of = whose === "mine" ? "your" : "their"
  return `${sentence(code)} (${of} message${first === last ? ` ${first}` : `s ${first} to ${last}`})`
}

function say(check, code, whose = null, first = 0, last = first) {
  check.notices.set(`${code} ${whose} ${first} ${last}`, { code, whose, first, last })
}

// What the key log says of the other side, against the pin.
function checkKeys(check) {
  const { theirs, pin } = check.trust
  const now = theirs.at(-1)
  if (pin && !(now && same(now.identity, pin.identity) && same(now.signing, pin.signing))) say(check, "key_changed")
}

// Puts every message in its place; of two in one place, the first that opens counts, or else the first.
function checkPlaces(check) {
  const opens = message => Boolean(message.opened)
  for (const message of [...check.messages.filter(opens), ...check.messages.filter(message => !opens(message))]) {
    const { counter, mine, bad, opened } = message
    if (counter === 0) {
      say(check, bad)
      continue
    }
    const whose = mine ? "mine" : "theirs"
    if (check.streams[whose].has(counter)) {
      say(check, bad ?? "repeated", whose, counter)
      continue
    }
    check.streams[whose].set(counter, message)
    if (bad) say(check, bad, whose, counter)
    if (!opened) continue
    if (message.lies !== true) say(check, "log_fork", whose, counter)
    const wrong = keyAlarm(check, message)
    if (!wrong) continue
    say(check, wrong, whose, counter)
    if (!mine) check.withheld.set(counter, wrong)
  }
  for (const whose of ["mine", "theirs"]) check.streams[whose] = new Map([...check.streams[whose]].sort(([a], [b]) => a - b))
}

// What is wrong with the two keys in a header, if anything: each must be the newest of its name in the log as the sender knew it, and the other
// side's the pinned one, or one before it in a message from before that was accepted.
function keyAlarm({ trust: { own, theirs, pin } }, { header, mine, counter }) {
  const [of, other] = mine ? [header.from, header.to] : [header.to, header.from]
  const [ours, newest] = [newestAt(own, header.log.size), newestAt(theirs, header.log.size)]
  if (!ours || !newest || !pin) return "key_changed"
  const pinned = newest.generation === pin.generation && same(newest.identity, pin.identity)
  const earlier = newest.generation < pin.generation && (mine || counter <= pin.after)
  if (!same(newest.identity, other) || !(pinned || earlier)) return "key_changed"
  return same(ours.identity, of) ? null : "broken"
}

// Counters, hashes and order of one stream, and what the notebook knows of it.
function checkStream(check, whose) {
  const stream = check.streams[whose]
  let before = null
  const had = { log: 0, seen: 0 }
  for (const [counter, message] of stream) {
    const expected = before ? before.counter + 1 : check.complete ? 1 : counter
    if (expected < counter) say(check, "missing", whose, expected, counter - 1)
    if (before) {
      const follows = counter > expected || same(message.header.previous, before.hash)
      if (!follows || message.shown.seq < before.shown.seq) say(check, "reordered", whose, counter)
    }
    before = message
    if (!message.opened) continue
    // What its sender had of the log and of the other stream grows.
    const { log, seen } = message.header
    if (log.size < had.log) say(check, "log_fork", whose, counter)
    if (seen.counter < had.seen) say(check, "reordered", whose, counter)
    had.log = Math.max(had.log, log.size)
    had.seen = Math.max(had.seen, seen.counter)
  }
  const known = check.trust.at[whose]
  const there = stream.get(known.counter)
  if (there) {
    if (!same(there.hash, known.hash)) say(check, "reordered", whose, known.counter)
    return
  }
  const last = lastOf(stream) ?? (check.complete ? 0 : known.counter)
  if (last < known.counter) say(check, "missing", whose, last + 1, known.counter)
}

// That what each message of a stream says to have seen is there, and stands above it.
function checkSeen(check, whose) {
  const other = whose === "mine" ? "theirs" : "mine"
  const others = check.streams[other]
  const last = lastOf(others) ?? (check.complete ? 0 : Infinity)
  for (const { opened, header, shown } of check.streams[whose].values()) {
    // Only what opened is its sender's word.
    if (!opened || header.seen.counter === 0) continue
    const seen = others.get(header.seen.counter)
    if (seen) {
      if (!same(seen.hash, header.seen.hash)) say(check, "missing", other, header.seen.counter)
      else if (seen.shown.seq > shown.seq) say(check, "reordered", other, header.seen.counter)
    } else if (last < header.seen.counter) {
      say(check, "missing", other, header.seen.counter)
    }
  }
}

function lastOf(stream) {
  return stream.size === 0 ? undefined : [...stream.keys()].at(-1)
}

// The newest message of a stream that its sender sealed, or that the member hid, or that the notebook knows: a header that nobody vouches for
// can't move it.
function newest(check, whose) {
  const known = check.trust.at[whose] ?? NOWHERE
  const newest = [...check.streams[whose].values()].findLast(({ opened, hidden }) => opened || hidden)
  return newest && newest.counter > known.counter ? { counter: newest.counter, hash: newest.hash } : known
}

// ── what was said ──────────────────────────────────────────────────────────────────────────────

function itemsOf(check) {
  const placed = []
  for (const whose of ["mine", "theirs"]) {
    const said = saidIn(check, whose)
    // The server's order, in which a stream's own places go by counter.
    const places = said.map(({ seq }) => seq).sort((a, b) => a - b)
    said.forEach((item, nth) => placed.push([places[nth], item]))
  }
  for (const message of check.messages) {
    if (message.counter === 0) placed.push([message.shown.seq, { ...blank(message), key: `seq:${message.shown.seq}`, alarm: message.bad }])
  }
  const items = placed.sort(([a], [b]) => a - b).map(([, item]) => item)
  const byKey = new Map(items.map((item) => [item.key, item]))
  for (const item of items) {
    if (!item.reply) continue
    const of = (item.reply.of === "mine") === item.mine ? "mine" : "theirs"
    const target = byKey.get(`${of}:${item.reply.counter}`)
    item.reply = { key: `${of}:${item.reply.counter}`, text: target && !target.deleted ? target.text : "", mine: of === "mine" }
  }
  return items
}

// One stream's items, by counter.
function saidIn(check, whose) {
  const stream = check.streams[whose]
  const bodies = new Map()
  for (const [counter, { opened }] of stream) {
    if (opened && !(whose === "theirs" && check.withheld.has(counter))) bodies.set(counter, opened.said)
  }
  const alarms = []
  // What was removed; and what of it goes without a mark, because the first in the same removal, the message itself, leaves one.
  const [removed, unmarked] = [new Set(), new Set()]
  for (const [counter, { type, targets }] of bodies) {
    if (type !== "delete") continue
    if (!targets.every((target) => target < counter && bodies.get(target)?.type !== "delete")) {
      alarms.push([counter, "forged"])
      continue
    }
    const message = Math.min(...targets)
    for (const target of targets) {
      removed.add(target)
      if (target !== message) unmarked.add(target)
    }
  }
  const items = new Map()
  for (const [counter, message] of stream) {
    const said = bodies.get(counter)
    const item = blank(message)
    if (said?.type === "delete") continue
    if (said?.type === "edit" && (removed.has(counter) || message.hidden)) continue
    if (!said && unmarked.has(counter)) continue
    if (removed.has(counter)) item.deleted = "both"
    else if (message.hidden) item.deleted = "me"
    else if (said?.type === "text") fill(item, said)
    else if (said?.type === "unknown") item.unknown = true
    else if (said?.type === "edit") {
      const target = bodies.get(said.target)
      if (said.target >= counter || (target && target.type !== "text")) alarms.push([counter, "forged"])
      else edit(items.get(said.target), said)
      continue
    } else if (message.bad) item.alarm = message.bad
    else if (message.opened) item.alarm = check.withheld.get(counter) ?? "key_changed"
    else {
      item.alarm = message.shown.removed ? "forged" : "removed"
      alarms.push([counter, item.alarm])
    }
    items.set(counter, item)
  }
  for (const [counter, code] of alarms) say(check, code, whose, counter)
  return [...items.values()]
}

function blank({ shown: { id, seq, at }, mine, counter }) {
  const key = `${mine ? "mine" : "theirs"}:${counter}`
  return { key, mine, counter, seq, id, at: moment(at), storedAt: null, text: "", edited: false, history: [], reply: null, files: [], deleted: null, unknown: false, pending: false, failed: null, alarm: null }
}

// What a page can write as a date.
function moment(at) {
  return Math.min(at, LAST_MOMENT)
}

function fill(item, { at: sealedAt, text, reply, files }) {
  const at = moment(sealedAt)
  if (Math.abs(at - item.at) > TIMES_DIFFER_MS) item.storedAt = item.at
  Object.assign(item, { at, text, reply, files })
}

function edit(item, { at, text }) {
  if (!item || item.alarm || item.deleted || item.unknown) return
  item.history = [...item.history, { text: item.text, at: item.edited || item.at }]
  item.text = text
  item.edited = moment(at)
}
