// One message: its header, its body, padding, franking, sealing and opening. "Messages" in docs/direct-messages.md.
import { Aes256Gcm, CipherSuiteNative, DhkemX25519HkdfSha256, HkdfSha256Native } from "./hpke.js"
import { fromBase64url, fromUtf8, isWhole, isZero, join, len8, Malformed, random, Reader, same, sha256, toBase64url, u32, u64, u8, utf8 } from "./bytes.js"
import { FILE_MOST, NOT_IN_NAMES, SIDE_MOST } from "./file.js"
import { importPublic } from "./keys.js"

export const HEADER_BYTES = 235
export const TEXT_MOST = 4000
export const FILES_MOST = 8
/** What a plain text is padded to. */
export const SIZES = [256, 1024, 4096, 16384]
const BODY_MOST = 16348
const TARGETS_MOST = 64
const DEPTH_MOST = 8
/** What sealing adds: the encapsulated key and the tag. */
const OVERHEAD = 32 + 16

/** Whose copy of a message. */
export const RECIPIENTS = 1
export const SENDERS = 2

const VERSION = 1
const SUITE = 1
const suite = new CipherSuiteNative({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256Native(), aead: new Aes256Gcm() })

/** A message of a version or suite that isn't known. */
export class Unknown extends Error {
  name = "Unknown"
}

/** The two names in bytewise order: names are ASCII. */
export function inOrder(a, b) {
  return a < b ? [a, b] : [b, a]
}

/** The 16 bytes that name a conversation. */
export async function conversationId(a, b) {
  const [lower, higher] = inOrder(a, b)
  return (await sha256("neospace/1 dm conversation\0", len8(lower), len8(higher))).slice(0, 16)
}

// ── the header ─────────────────────────────────────────────────────────────────────────────────

/** The 235 bytes of a header. `seen` is `{ counter, hash }`, `log` is `{ size, head }`. */
export function encodeHeader({ conversation, sender, counter, previous, seen, log, from, to, commitment }) {
  return join(u8(VERSION), u8(SUITE), conversation, u8(sender), u64(counter), previous, u64(seen.counter), seen.hash, u64(log.size), log.head, from, to, commitment)
}

/** A header from its bytes. Throws `Unknown` for another version or suite, `Malformed` for all else. */
export function decodeHeader(bytes) {
  const reader = new Reader(bytes)
  const [version, kind] = [reader.u8(), reader.u8()]
  if (version !== VERSION || kind !== SUITE) throw new Unknown(`version ${version}, suite ${kind}`)
  const header = { conversation: reader.take(16), sender: reader.u8(), counter: reader.u64(), previous: reader.take(32) }
  header.seen = { counter: reader.u64(), hash: reader.take(32) }
  header.log = { size: reader.u64(), head: reader.take(32) }
  header.from = reader.take(32)
  header.to = reader.take(32)
  header.commitment = reader.take(32)
  reader.end()
  const whole = header.sender <= 1 && header.counter >= 1 && isZero(header.previous) === (header.counter === 1)
  const zeros = isZero(header.seen.hash) === (header.seen.counter === 0) && isZero(header.log.head) === (header.log.size === 0)
  if (!whole || !zeros) throw new Malformed("a header that contradicts itself")
  return header
}

/** What the next message of the stream calls the previous hash; `ofRecipient` and `ofSender` are SHA-256 of the copies. */
export function messageHash(header, ofRecipient, ofSender) {
  return sha256("neospace/1 dm message\0", header, ofRecipient, ofSender)
}

// ── padding and franking ───────────────────────────────────────────────────────────────────────

export function pad(body, key) {
  if (body.length > BODY_MOST) throw new Malformed("a body that is too long")
  const plain = join(u32(body.length), key, body)
  const padded = new Uint8Array(SIZES.find((size) => size >= plain.length))
  padded.set(plain)
  return padded
}

export function unpad(plain) {
  if (!SIZES.includes(plain.length)) throw new Malformed("not a size class")
  const reader = new Reader(plain)
  const length = reader.u32()
  const key = reader.take(32)
  const body = reader.take(length)
  const needed = SIZES.find((size) => size >= 36 + length)
  if (length > BODY_MOST || needed !== plain.length || !isZero(plain.subarray(36 + length))) throw new Malformed("padding that isn't zeros")
  return { body, key }
}

/** HMAC-SHA-256 of the body under the franking key. */
export async function commit(key, body) {
  const mac = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])
  return new Uint8Array(await crypto.subtle.sign("HMAC", mac, join("neospace/1 dm frank\0", body)))
}

// ── the body ───────────────────────────────────────────────────────────────────────────────────

/** The bytes of a body that is allowed; throws `Malformed`. */
export function encodeBody(body) {
  const bytes = utf8(JSON.stringify(body))
  if (readBody(bytes).type === "unknown") throw new Malformed("a type that isn't known")
  return bytes
}

/** What a body says: `{ type: "text", at, text, reply, files }`, `{ type: "edit", at, target, text }`, `{ type: "delete", at, targets }`,
 *  or `{ type: "unknown" }`. Throws `Malformed`. */
export function readBody(bytes) {
  if (bytes.length > BODY_MOST) throw new Malformed("a body that is too long")
  let said
  try {
    said = JSON.parse(fromUtf8(bytes))
  } catch {
    throw new Malformed("not JSON")
  }
  if (said === null || typeof said !== "object" || Array.isArray(said) || typeof said.type !== "string") throw new Malformed("not a body")
  if (isDeeper(said, DEPTH_MOST)) throw new Malformed("nested too deeply")
  const { type, at, target, targets } = said
  if (!["text", "edit", "delete"].includes(type)) return { type: "unknown" }
  if (!isWhole(at)) throw new Malformed("no time")
  if (type === "delete") {
    const named = Array.isArray(targets) && targets.length >= 1 && targets.length <= TARGETS_MOST
    if (!named || !targets.every((one) => isWhole(one, 1))) throw new Malformed("no targets")
    return { type, at, targets }
  }
  if (type === "edit") {
    if (!isWhole(target, 1)) throw new Malformed("no target")
    return { type, at, target, text: readText(said.text, 1) }
  }
  const files = said.files === undefined || said.files === null ? [] : said.files
  if (!Array.isArray(files) || files.length > FILES_MOST) throw new Malformed("too many files")
  const text = files.length > 0 ? readText(said.text ?? "", 0) : readText(said.text, 1)
  return { type, at, text, reply: readReply(said.reply), files: files.map(readFile) }
}

function isDeeper(value, most) {
  if (value === null || typeof value !== "object") return false
  return most === 0 || Object.values(value).some((inner) => isDeeper(inner, most - 1))
}

function readText(text, least) {
  if (!isText(text, TEXT_MOST) || text.length < least) throw new Malformed("a text that isn't allowed")
  return text
}

/** Whether this is text of at most so many characters, well formed, without control characters but tab and line feed. */
export function isText(text, most) {
  return typeof text === "string" && text.length <= 2 * most && [...text].length <= most && text.isWellFormed() && !/[^\P{Cc}\t\n]/u.test(text)
}

function readReply(reply) {
  if (reply === undefined || reply === null) return null
  const { of, counter } = reply
  if ((of !== "mine" && of !== "theirs") || !isWhole(counter, 1)) throw new Malformed("not a reply")
  return { of, counter }
}

function readFile(file) {
  const { id, key, size, name, type, width, height } = file ?? {}
  const dimension = (pixels) => pixels === undefined || pixels === null || (isWhole(pixels) && pixels <= SIDE_MOST)
  const named = isText(name, 200) && name.length > 0 && !NOT_IN_NAMES.test(name)
  const whole = isFileId(id) && isWhole(size) && size <= FILE_MOST && named && typeof type === "string" && /^[\x20-\x7e]{1,100}$/.test(type)
  if (!whole || !dimension(width) || !dimension(height)) throw new Malformed("not a file")
  fromBase64url(key, 32)
  return { id, key, size, name, type, width: width ?? null, height: height ?? null }
}

/** Whether this can be the id of a file: it becomes part of an address. */
export function isFileId(id) {
  return typeof id === "string" && /^[A-Za-z0-9_-]{1,64}$/.test(id)
}

// ── sealing and opening ────────────────────────────────────────────────────────────────────────

/** Seals a body for both sides. `me` is `{ name, keys }` (keys.js), `peer` `{ name, identity }`, `place` `{ counter, previous, seen, log }`.
 *  Answers `{ header, recipient, sender, hash }`, all bytes. */
export async function seal(me, peer, place, body) {
  const key = random(32)
  const [lower] = inOrder(me.name, peer.name)
  const header = encodeHeader({
    ...place,
    conversation: await conversationId(me.name, peer.name),
    sender: me.name === lower ? 0 : 1,
    from: me.keys.identity,
    to: peer.identity,
    commitment: await commit(key, body),
  })
  const plain = pad(body, key)
  const [recipient, sender] = await Promise.all([
    sealCopy(RECIPIENTS, me, peer.name, await importPublic(peer.identity), header, plain),
    sealCopy(SENDERS, me, peer.name, me.keys.pair.publicKey, header, plain),
  ])
  plain.fill(0)
  const hash = await messageHash(header, await sha256(recipient), await sha256(sender))
  return { header, recipient, sender, hash }
}

async function sealCopy(copy, me, recipient, recipientPublicKey, header, plain) {
  const context = await suite.createSenderContext({ recipientPublicKey, senderKey: me.keys.pair, info: info(copy, me.name, recipient) })
  return join(new Uint8Array(context.enc), new Uint8Array(await context.seal(plain, header)))
}

/** Opens a copy. `names` is `{ sender, recipient }`, `pair` the key pair that it was sealed to. Answers `{ said, body, key }`: what it
 *  says (`readBody`), its bytes and the franking key. Throws `Malformed` for whatever doesn't fit. */
export async function open(copy, names, pair, headerBytes, sealed) {
  const header = decodeHeader(headerBytes)
  if (!isSealedLength(sealed.length)) throw new Malformed("not a size class")
  let plain
  try {
    const context = await suite.createRecipientContext({
      recipientKey: pair,
      enc: sealed.slice(0, 32),
      senderPublicKey: await publicKey(header.from),
      info: info(copy, names.sender, names.recipient),
    })
    plain = new Uint8Array(await context.open(sealed.slice(32), headerBytes))
  } catch {
    throw new Malformed("it doesn't open")
  }
  const { body, key } = unpad(plain)
  if (!same(await commit(key, body), header.commitment)) throw new Malformed("another commitment")
  return { said: readBody(body), body, key }
}

/** Whether a sealed copy can have this length. */
export function isSealedLength(length) {
  return SIZES.some((size) => size + OVERHEAD === length)
}

function info(copy, sender, recipient) {
  return join("neospace/1 dm\0", u8(copy), len8(sender), len8(recipient))
}

// Few keys, used often.
const imported = new Map()

function publicKey(bytes) {
  const name = toBase64url(bytes)
  if (!imported.has(name)) {
    if (imported.size >= 64) imported.clear()
    imported.set(name, importPublic(bytes))
  }
  return imported.get(name)
}
