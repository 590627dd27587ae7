// Bytes: joining, numbers, base64url in its one correct spelling, and a reader that refuses what isn't well made.

const UTF8 = new TextEncoder()
const FROM_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** Bytes from outside that aren't what they should be. */
export class Malformed extends Error {
  name = "Malformed"
}

/** The UTF-8 of a text. */
export function utf8(text) {
  return UTF8.encode(text)
}

/** The text of UTF-8; throws `Malformed`. */
export function fromUtf8(bytes) {
  try {
    return FROM_UTF8.decode(bytes)
  } catch {
    throw new Malformed("not UTF-8")
  }
}

/** One after the other: bytes, and texts as UTF-8. */
export function join(...parts) {
  const all = parts.map((part) => (typeof part === "string" ? utf8(part) : part))
  const joined = new Uint8Array(all.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of all) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

export function u8(number) {
  return Uint8Array.of(number)
}

export function u32(number) {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

export function u64(number) {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(number))
  return bytes
}

/** One byte with the length, then the bytes. */
export function len8(part) {
  const bytes = typeof part === "string" ? utf8(part) : part
  return join(u8(bytes.length), bytes)
}

export function random(length) {
  return crypto.getRandomValues(new Uint8Array(length))
}

export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)))
}

/** Whether both are the same bytes. (For public values: what is secret is compared by the primitives.) */
export function same(a, b) {
  return a.length === b.length && a.every((byte, at) => byte === b[at])
}

export function isZero(bytes) {
  return bytes.every((byte) => byte === 0)
}

export function toBase64url(bytes) {
  let text = ""
  for (let at = 0; at < bytes.length; at += 0x2000) text += String.fromCharCode(...bytes.subarray(at, at + 0x2000))
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}

/** The bytes of base64url without padding in its one correct spelling; of exactly `length`, if that is named. Throws
 *  `Malformed`. */
export function fromBase64url(text, length) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) throw new Malformed("not base64url")
  if (length !== undefined && text.length !== Math.ceil((length * 4) / 3)) throw new Malformed(`not ${length} bytes`)
  let letters
  try {
    letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"))
  } catch {
    throw new Malformed("not base64url")
  }
  const bytes = new Uint8Array(letters.length)
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at)
  if (toBase64url(bytes) !== text) throw new Malformed("not the one spelling of these bytes")
  return bytes
}

/** Reads bytes from the front. Whatever isn't there, or is left over at `end`, is `Malformed`. */
export class Reader {
  #bytes
  #at = 0

  constructor(bytes) {
    this.#bytes = bytes
  }

  take(length) {
    if (this.#at + length > this.#bytes.length) throw new Malformed("too short")
    return this.#bytes.slice(this.#at, (this.#at += length))
  }

  u8() {
    return this.take(1)[0]
  }

  u32() {
    return new DataView(this.take(4).buffer).getUint32(0)
  }

  /** A number up to 2^53 - 1: nothing here counts further. */
  u64() {
    const number = new DataView(this.take(8).buffer).getBigUint64(0)
    if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw new Malformed("a number beyond 2^53")
    return Number(number)
  }

  /** A user name behind its length. */
  name() {
    const name = String.fromCharCode(...this.take(this.u8()))
    if (!isName(name)) throw new Malformed("not a name")
    return name
  }

  end() {
    if (this.#at !== this.#bytes.length) throw new Malformed("too long")
  }
}

/** Whether this is a user name as it is stored. */
export function isName(name) {
  return typeof name === "string" && /^[a-z0-9_-]{3,24}$/.test(name)
}

/** Whether this is a whole number, from `least` to 2^53 - 1. */
export function isWhole(number, least = 0) {
  return Number.isSafeInteger(number) && number >= least
}
