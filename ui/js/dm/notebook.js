// The notebook: pins, marks, the log's head and the streams' positions, on their way from device to device. "Trust" in
// docs/direct-messages.md. Here it is `{ log: { size, head }, peers: { NAME: { pin, mine, theirs } } }` with bytes as Uint8Array; a pin is
// `{ index, generation, identity, signing, compared }`, a position `{ counter, hash }`.
import { fromBase64url, fromUtf8, isName, isWhole, isZero, join, len8, Malformed, random, Reader, same, toBase64url, u64, u8, utf8 } from "./bytes.js"

const STEP = 1024
export const NOTEBOOK_MOST = 1024 * 1024
export const NOWHERE = { counter: 0, hash: new Uint8Array(32) }

/** A notebook in which nothing stands. */
export function emptyNotebook() {
  return { log: { size: 0, head: new Uint8Array(32) }, peers: {} }
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

/** What both know: the longer log, the pin of the higher generation, the higher positions. */
export function mergeNotebooks(a, b) {
  const peers = {}
  for (const name of new Set([...Object.keys(a.peers), ...Object.keys(b.peers)])) {
    const [one, other] = [a.peers[name], b.peers[name]]
    peers[name] = one && other ? { pin: mergePins(one.pin, other.pin), mine: further(one.mine, other.mine), theirs: further(one.theirs, other.theirs) } : (one ?? other)
  }
  return { log: b.log.size > a.log.size ? b.log : a.log, peers }
}

function mergePins(a, b) {
  if (!a || !b) return a ?? b
  if (a.generation !== b.generation) return a.generation > b.generation ? a : b
  const agree = same(a.identity, b.identity) && same(a.signing, b.signing)
  return { ...a, compared: agree && (a.compared || b.compared) }
}

function further(a, b) {
  return b.counter > a.counter ? b : a
}

function data(name, version) {
  return join("neospace/1 dm notebook\0", len8(name), u64(version))
}

function toJson({ log, peers }) {
  const position = ({ counter, hash }) => ({ counter, hash: toBase64url(hash) })
  const written = {}
  for (const [name, { pin, mine, theirs }] of Object.entries(peers)) {
    const pinned = pin ? { ...pin, identity: toBase64url(pin.identity), signing: toBase64url(pin.signing) } : null
    written[name] = { pin: pinned, mine: position(mine), theirs: position(theirs) }
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
    const { index, generation, compared } = pin
    if (!isWhole(index, 1) || !isWhole(generation, 1) || typeof compared !== "boolean") throw new Malformed("not a pin")
    return { index, generation, identity: fromBase64url(pin.identity, 32), signing: fromBase64url(pin.signing, 32), compared }
  }
  if (!isWhole(said?.log?.size) || said.peers === null || typeof said.peers !== "object") throw new Malformed("not a notebook")
  const peers = {}
  for (const [name, peer] of Object.entries(said.peers)) {
    if (!isName(name) || peer === null || typeof peer !== "object") throw new Malformed("not a peer")
    peers[name] = { pin: pinned(peer.pin), mine: position(peer.mine), theirs: position(peer.theirs) }
  }
  return { log: { size: said.log.size, head: fromBase64url(said.log.head, 32) }, peers }
}
