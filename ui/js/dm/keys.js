// The keys of an account: what is derived from a root, roots wrapped for their way over the server, and the recovery code.
// "Keys of an account" in docs/direct-messages.md, byte by byte.
//
// Private keys are imported so that they can't be read out again; roots and wrap keys are forgotten after use.
import { join, len8, Malformed, random, Reader, same, sha256, toBase64url, u32, u8, utf8 } from "./bytes.js"
import { Alarm } from "./alarms.js"

/** Under which key roots are wrapped. */
export const BY_PASSWORD = 1
export const BY_RECOVERY = 2
export const ROOTS_MOST = 16
const ROOT_BYTES = 32
const CODE_BYTES = 16
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// What stands before the 32 bytes in PKCS #8 (RFC 8410).
const PKCS8_X25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20)
const PKCS8_ED25519 = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20)
const X25519_BASE = Uint8Array.of(9, ...new Uint8Array(31))

/** A fresh root. */
export function makeRoot() {
  return random(ROOT_BYTES)
}

/** The keys of a root: `{ identity, signing }`, the public keys as bytes; `pair`, X25519 as HPKE takes it; `sign`, `notebook` and `hide`. */
export async function deriveKeys(name, root) {
  const input = await crypto.subtle.importKey("raw", root, "HKDF", false, ["deriveBits", "deriveKey"])
  const [secret, seed] = await Promise.all(["identity", "signing"].map((what) => expand(input, `neospace/1 dm ${what} ${name}`)))
  const notebook = await crypto.subtle.deriveKey(hkdf(`neospace/1 dm notebook ${name}`), input, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
  const hide = await crypto.subtle.deriveKey(hkdf(`neospace/1 dm hidden ${name}`), input, { name: "HMAC", hash: "SHA-256", length: 256 }, false, ["sign", "verify"])
  const pair = await importIdentity(secret)
  const identity = await rawPublic(pair.publicKey)
  const { key: sign, bytes: signing } = await importSigning(seed)
  secret.fill(0)
  seed.fill(0)
  return { identity, signing, pair, sign, notebook, hide }
}

/** An X25519 key pair from its 32 secret bytes. The public key is what multiplying the base point gives, so that the private one
 *  is never exportable. */
export async function importIdentity(secret) {
  const privateKey = await crypto.subtle.importKey("pkcs8", join(PKCS8_X25519, secret), "X25519", false, ["deriveBits"])
  const base = await importPublic(X25519_BASE)
  const bytes = await crypto.subtle.deriveBits({ name: "X25519", public: base }, privateKey, 256)
  return { privateKey, publicKey: await importPublic(bytes) }
}

/** An X25519 public key. */
export function importPublic(bytes) {
  return crypto.subtle.importKey("raw", bytes, "X25519", true, [])
}

async function rawPublic(key) {
  return new Uint8Array(await crypto.subtle.exportKey("raw", key))
}

// Ed25519 has no such way to its public key: it is read from a first, exportable import.
async function importSigning(seed) {
  const pkcs8 = join(PKCS8_ED25519, seed)
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"])
  const { x } = await crypto.subtle.exportKey("jwk", readable)
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"])
  pkcs8.fill(0)
  return { key, bytes: Uint8Array.from(atob(x.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0)) }
}

// Points of small order (RFC 7748, section 6.1, with their other spellings): a shared secret with them is all zeros.
const LOW_ORDER = new Set([
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
  "X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc",
  "7P_______________________________________38",
  "7f_______________________________________38",
  "7v_______________________________________38",
])

/** Whether a public identity key is one that no honest device makes: a point of small order. */
export function isLowOrder(identity) {
  const reduced = identity.slice()
  reduced[31] &= 0x7f
  return LOW_ORDER.has(toBase64url(reduced))
}

// ── statements ─────────────────────────────────────────────────────────────────────────────────

/** What an entry of the key log says and its signature covers. */
export function statement(name, generation, identity, signing) {
  return join("neospace/1 dm keys\0", len8(name), u32(generation), identity, signing)
}

/** Signs the statement about `keys`: by themselves, and by those of the generation before. */
export async function signStatement(name, generation, keys, by = keys) {
  const said = statement(name, generation, keys.identity, keys.signing)
  return new Uint8Array(await crypto.subtle.sign("Ed25519", by.sign, said))
}

// The y of the eight points of small order of Ed25519.
const SMALL_ORDER = new Set([
  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
  "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
  "7P_______________________________________38",
])

// Whether 32 bytes spell a point as they must (y below 2^255 - 19) that is none of small order.
function isStrictPoint(bytes) {
  const y = bytes.slice()
  y[31] &= 0x7f
  const beyond = y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff) && y[0] >= 0xed
  return !beyond && !SMALL_ORDER.has(toBase64url(y))
}

/** Whether an Ed25519 signature is right, strictly: browsers differ from each other, and from Rust, only in what is refused here first. */
export async function isSigned(signing, signature, said) {
  if (!isStrictPoint(signing) || !isStrictPoint(signature.subarray(0, 32))) return false
  try {
    const key = await crypto.subtle.importKey("raw", signing, "Ed25519", false, ["verify"])
    return await crypto.subtle.verify("Ed25519", key, signature, said)
  } catch {
    return false
  }
}

// ── wrapped roots ──────────────────────────────────────────────────────────────────────────────

/** Roots, oldest first, wrapped under a wrap or recovery key. `newest` has the public keys of the last one. */
export async function wrapRoots(key, kind, name, roots, newest, nonce = random(12)) {
  const plain = join(...roots)
  const additionalData = wrappedData(kind, roots.length, name, newest)
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData }, key, plain)
  plain.fill(0)
  return join(u8(1), u8(kind), u8(roots.length), nonce, new Uint8Array(sealed))
}

/** The roots in `wrapped`, oldest first; `newest` has the public keys that the key log names for the account. Throws alarm
 *  `wrapped`, unless everything fits. */
export async function unwrapRoots(key, kind, name, wrapped, newest) {
  try {
    const reader = new Reader(wrapped)
    const [version, of, count] = [reader.u8(), reader.u8(), reader.u8()]
    if (version !== 1 || of !== kind || count < 1 || count > ROOTS_MOST) throw new Malformed("not wrapped roots")
    const nonce = reader.take(12)
    const sealed = reader.take(ROOT_BYTES * count + 16)
    reader.end()
    const additionalData = wrappedData(kind, count, name, newest)
    const plain = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv: nonce, additionalData }, key, sealed))
    const roots = Array.from({ length: count }, (_, nth) => plain.slice(ROOT_BYTES * nth, ROOT_BYTES * (nth + 1)))
    plain.fill(0)
    const { identity, signing } = await deriveKeys(name, roots.at(-1))
    if (!same(identity, newest.identity) || !same(signing, newest.signing)) throw new Malformed("other keys than in the log")
    return roots
  } catch (error) {
    throw new Alarm("wrapped", error.message)
  }
}

function wrappedData(kind, count, name, { identity, signing }) {
  return join("neospace/1 dm wrapped\0", u8(kind), u8(count), len8(name), identity, signing)
}

// ── the recovery code ──────────────────────────────────────────────────────────────────────────

/** A fresh code's 16 bytes. */
export function makeCode() {
  return random(CODE_BYTES)
}

/** A code as it is written: seven groups of four. */
export async function writeCode(code) {
  const check = await checkOf(code)
  let bits = 0n
  for (const byte of code) bits = (bits << 8n) | BigInt(byte)
  bits = (bits << 12n) | BigInt((check[0] << 4) | (check[1] >> 4))
  let letters = ""
  for (let at = 27; at >= 0; at--) letters += ALPHABET[Number((bits >> BigInt(5 * at)) & 31n)]
  return letters.match(/.{4}/g).join("-")
}

/** The 16 bytes of a code as somebody typed it; null when it isn't one. */
export async function readCode(text) {
  const letters = text.replace(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replace(/[IL]/g, "1")
  if (!/^[0-9A-HJKMNP-TV-Z]{28}$/.test(letters)) return null
  let bits = 0n
  for (const letter of letters) bits = (bits << 5n) | BigInt(ALPHABET.indexOf(letter))
  const typed = Number(bits & 0xfffn)
  bits >>= 12n
  const code = Uint8Array.from({ length: CODE_BYTES }, (_, at) => Number((bits >> BigInt(8 * (CODE_BYTES - 1 - at))) & 255n))
  const check = await checkOf(code)
  return typed === ((check[0] << 4) | (check[1] >> 4)) ? code : null
}

/** What a code opens: `{ key }` for the wrapped roots, and `auth`, which proves it to the server. */
export async function recoveryKeys(name, code) {
  const input = await crypto.subtle.importKey("raw", code, "HKDF", false, ["deriveBits", "deriveKey"])
  const key = await crypto.subtle.deriveKey(hkdf(`neospace/1 dm recovery ${name}`), input, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"])
  return { key, auth: toBase64url(await expand(input, `neospace/1 recover ${name}`)) }
}

function checkOf(code) {
  return sha256("neospace/1 recovery check", code)
}

function hkdf(info) {
  return { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info: utf8(info) }
}

async function expand(input, info) {
  return new Uint8Array(await crypto.subtle.deriveBits(hkdf(info), input, 256))
}

/** Marks a message that its member hides from themselves; `hash` is the message's. */
export async function hidingTag(keys, hash) {
  return new Uint8Array(await crypto.subtle.sign("HMAC", keys.hide, hidingData(hash)))
}

/** Whether a tag is one that keys of any generation made. */
export async function isHidingTag(generations, tag, hash) {
  for (const { hide } of generations) {
    if (await crypto.subtle.verify("HMAC", hide, tag, hidingData(hash))) return true
  }
  return false
}

function hidingData(hash) {
  return join("neospace/1 dm hidden\0", hash)
}

/** Whether this browser has what all of this needs. */
export async function isAble() {
  try {
    await crypto.subtle.generateKey("X25519", false, ["deriveBits"])
    await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"])
    return Boolean(navigator.locks && window.indexedDB)
  } catch {
    return false
  }
}
