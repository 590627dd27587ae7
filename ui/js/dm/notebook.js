// The notebook: pins, marks, the log's head and the streams' positions, on their way from device to device. "Trust" in
// docs/direct-messages.md. Here it is `{ log: { size, head }, peers: Map of name → { pin, mine, theirs } }` with bytes as Uint8Array; a pin is
// `{ index, generation, identity, signing, compared, after }`, a position `{ counter, hash }`.
import { Alarm } from "./alarms.js"
import { fromBase64url, fromUtf8, isName, isWhole, isZero, join, len8, Malformed, random, Reader, same, toBase64url, u64, u8, utf8 } from "./bytes.js"

const STEP = 1024
export const NOTEBOOK_MOST = 1024 * 1024
export const NOWHERE = { counter: 0, hash: new Uint8Array(32) }

/** A notebook in which nothing stands. */
export function emptyNotebook() {
  return { log: { size: 0, head: new Uint8Array(32) }, peers: new Map() }
}

/** Seals a notebook as version `version` of the member's. */
export async function sealNotebook(key, name, version, notebook, nonce = random(12)) {
  const said = utf8(JSON.stringify(toJson(notebook)))
  const plain = new Uint8Array(Math.ceil(said.length / STEP) * STEP).fill(0x20)
  plain.set(said)
  if (plain.length > NOTEBOOK_MOST) throw new Malformed("a notebook that is too large")
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: data(name, version) }, key, plain)
  return join(u8(1), nonce, new Uint8Array(sealed))
}

/** Opens what `sealNotebook` made; throws `Malformed`. */
export async function openNotebook(key, name, version, bytes) {
  if (bytes.length > NOTEBOOK_MOST + 29 || (bytes.length - 29) % STEP !== 0) throw new Malformed("a notebook of another length")
  const reader = new Reader(bytes)
  if (reader.u8() !== 1) throw new Malformed("a notebook of another version")
  const nonce = reader.take(12)
  let plain
  try {
    plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData: data(name, version) }, key, bytes.slice(13))
  } catch {
    throw new Malformed("a notebook that doesn't open")
  }
  return fromJson(fromUtf8(new Uint8Array(plain)))
}

/** What both know: the longer log, the pin of the higher generation, the higher positions. Throws alarm `reordered` where they have another
 *  message at the same place. */
export function mergeNotebooks(a, b) {
  const peers = new Map(a.peers)
  for (const [name, other] of b.peers) {
    const one = peers.get(name)
    peers.set(name, one ? { pin: mergePins(one.pin, other.pin), mine: further(one.mine, other.mine), theirs: further(one.theirs, other.theirs) } : other)
  }
  return { log: b.log.size > a.log.size ? b.log : a.log, peers }
}

function mergePins(a, b) {
  if (!a || !b) return a ?? b
  if (a.generation !== b.generation) return a.generation > b.generation ? a : b
  if (!same(a.identity, b.identity) || !same(a.signing, b.signing)) return { ...a, compared: false }
  return { ...a, compared: a.compared || b.compared, after: Math.max(a.after, b.after) }
}

function further(a, b) {
  if (a.counter === b.counter && !same(a.hash, b.hash)) throw new Alarm("reordered")
  return b.counter > a.counter ? b : a
}

/** Whether `newer` has all that `older` has: a log, pins and positions that only grow. */
export function contains(newer, older) {
  if (newer.log.size < older.log.size) return false
  for (const [name, { pin, mine, theirs }] of older.peers) {
    const now = newer.peers.get(name)
    if (!now || now.mine.counter < mine.counter || now.theirs.counter < theirs.counter) return false
    if (pin && (!now.pin || now.pin.generation < pin.generation)) return false
  }
  return true
}

function data(name, version) {
  return join("neospace/1 dm notebook\0", len8(name), u64(version))
}

function toJson({ log, peers }) {
  const position = ({ counter, hash }) => ({ counter, hash: toBase64url(hash) })
  const written = []
  for (const [name, { pin, mine, theirs }] of peers) {
    const pinned = pin ? { pin: { ...pin, identity: toBase64url(pin.identity), signing: toBase64url(pin.signing) } } : {}
    written.push({ name, ...pinned, mine: position(mine), theirs: position(theirs) })
  }
  return { log: { size: log.size, head: toBase64url(log.head) }, peers: written }
}

function fromJson(text) {
  let said
  try {
    said = JSON.parse(text)
  } catch {
    throw new Malformed("not JSON")
  }
  const position = (at) => {
    if (at === undefined || at === null) return NOWHERE
    const hash = fromBase64url(at.hash, 32)
    if (!isWhole(at.counter) || isZero(hash) !== (at.counter === 0)) throw new Malformed("not a position")
    return { counter: at.counter, hash }
  }
  const pinned = (pin) => {
    if (pin === undefined || pin === null) return null
    const { index, generation, compared, after } = pin
    if (!isWhole(index, 1) || !isWhole(generation, 1) || typeof compared !== "boolean" || !isWhole(after)) throw new Malformed("not a pin")
    return { index, generation, identity: fromBase64url(pin.identity, 32), signing: fromBase64url(pin.signing, 32), compared, after }
  }
  if (!isWhole(said?.log?.size) || !Array.isArray(said.peers)) throw new Malformed("not a notebook")
  const peers = new Map()
  for (const peer of said.peers) {
    if (!isName(peer?.name) || peers.has(peer.name)) throw new Malformed("not a peer")
    peers.set(peer.name, { pin: pinned(peer.pin), mine: position(peer.mine), theirs: position(peer.theirs) })
  }
  return { log: { size: said.log.size, head: fromBase64url(said.log.head, 32) }, peers }
}
