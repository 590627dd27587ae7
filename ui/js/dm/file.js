// Files: padded, cut into chunks and sealed, each under a key of its own; pictures are drawn anew before. "Files" in
// docs/direct-messages.md.
import { join, Malformed, random, u32, u8, utf8 } from "./bytes.js"

export const FILE_MOST = 20 * 1024 * 1024
const CHUNK = 65_536
const TAG = 16
const DATA = utf8("neospace/1 dm file\0")
const LEAST = 256
/** The longest side of a picture, in pixels. */
export const SIDE_MOST = 16_384
/** What no name of a file holds: control characters, those that turn the direction of writing, and what parts paths. */
export const NOT_IN_NAMES = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]/u
/** Pixels of a picture that is drawn anew. */
const PIXELS_MOST = 50_000_000

/** The padded length of so many bytes, below 2^31: Padmé (PURBs, section 4), at least 256. */
export function paddedLength(size) {
  if (size <= LEAST) return LEAST
  const e = 31 - Math.clz32(size)
  const s = 32 - Math.clz32(e)
  const step = 2 ** (e - s)
  return Math.ceil(size / step) * step
}

/** How long a file of so many bytes is when it is sealed. */
export function sealedLength(size) {
  const padded = paddedLength(size)
  return 1 + padded + TAG * Math.ceil(padded / CHUNK)
}

/** Seals the bytes of a file. Answers `{ key, sealed }`. */
export async function sealFile(bytes, key = random(32)) {
  const aes = await importKey(key, "encrypt")
  const plain = new Uint8Array(paddedLength(bytes.length))
  plain.set(bytes)
  const parts = [u8(1)]
  const count = Math.ceil(plain.length / CHUNK)
  for (let nth = 0; nth < count; nth++) {
    const chunk = plain.subarray(nth * CHUNK, (nth + 1) * CHUNK)
    parts.push(new Uint8Array(await crypto.subtle.encrypt(algorithm(nth, nth === count - 1), aes, chunk)))
  }
  return { key, sealed: join(...parts) }
}

/** Opens a sealed file of `size` bytes; throws `Malformed` unless all of it is as it was sealed. */
export async function openFile(key, size, sealed) {
  if (sealed.length !== sealedLength(size) || sealed[0] !== 1) throw new Malformed("a file of another length")
  const aes = await importKey(key, "decrypt")
  const plain = new Uint8Array(paddedLength(size))
  const count = Math.ceil(plain.length / CHUNK)
  for (let nth = 0; nth < count; nth++) {
    const from = 1 + nth * (CHUNK + TAG)
    const chunk = sealed.subarray(from, from + CHUNK + TAG)
    try {
      plain.set(new Uint8Array(await crypto.subtle.decrypt(algorithm(nth, nth === count - 1), aes, chunk)), nth * CHUNK)
    } catch {
      throw new Malformed("a file that doesn't open")
    }
  }
  if (plain.subarray(size).some((byte) => byte !== 0)) throw new Malformed("padding that isn't zeros")
  return plain.slice(0, size)
}

function importKey(key, use) {
  return crypto.subtle.importKey("raw", key, "AES-GCM", false, [use])
}

function algorithm(nth, last) {
  return { name: "AES-GCM", iv: join(new Uint8Array(7), u8(last ? 1 : 0), u32(nth)), additionalData: DATA }
}

// ── pictures ───────────────────────────────────────────────────────────────────────────────────

/** Which of the four kinds of picture that are ever shown these bytes are; null for all else. */
export function pictureType(bytes) {
  const starts = (...values) => values.every((value, at) => value === null || bytes[at] === value)
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "image/png"
  if (starts(0xff, 0xd8, 0xff)) return "image/jpeg"
  if (starts(0x47, 0x49, 0x46, 0x38)) return "image/gif"
  if (starts(0x52, 0x49, 0x46, 0x46, null, null, null, null, 0x57, 0x45, 0x42, 0x50)) return "image/webp"
  return null
}

/** What is sent of a file that somebody chose: `{ bytes, name, type, width, height, drawn }`. PNG, JPEG and WebP are drawn anew, so that no place,
 *  time or device inside them goes along (`drawn` says so); all else goes as it is. Throws `Malformed` with a sentence for people. */
export async function prepareFile(file) {
  const name = cleanName(file.name)
  if (file.size > FILE_MOST) throw new Malformed(`“${name}” is too large: at most ${FILE_MOST / 1024 / 1024} MiB.`)
  let bytes
  try {
    bytes = new Uint8Array(await file.arrayBuffer())
  } catch {
    throw new Malformed(`“${name}” can't be read.`)
  }
  const type = pictureType(bytes)
  if (type === null) return { bytes, name, type: cleanType(file.type), width: null, height: null, drawn: false }
  const picture = await createImageBitmap(new Blob([bytes], { type })).catch(() => null)
  if (!picture) throw new Malformed(`“${name}” is not a whole picture.`)
  const { width, height } = picture
  try {
    if (width > SIDE_MOST || height > SIDE_MOST || width * height > PIXELS_MOST) throw new Malformed(`“${name}” has too many pixels: at most ${PIXELS_MOST / 1e6} million, and ${SIDE_MOST} on a side.`)
    if (type === "image/gif") return { bytes, name, type, width, height, drawn: false }
    const canvas = new OffscreenCanvas(width, height)
    canvas.getContext("2d").drawImage(picture, 0, 0)
    const drawn = await canvas.convertToBlob({ type, quality: 0.9 })
    // A browser that can't write this kind writes PNG.
    const fresh = new Uint8Array(await drawn.arrayBuffer())
    if (fresh.length > FILE_MOST) throw new Malformed(`“${name}” is too large once it is drawn anew: at most ${FILE_MOST / 1024 / 1024} MiB.`)
    return { bytes: fresh, name, type: drawn.type, width, height, drawn: true }
  } finally {
    picture.close()
  }
}

/** What is done with an opened file: pictures keep their type, all else is for download only. */
export function asBlob(bytes) {
  return new Blob([bytes], { type: pictureType(bytes) ?? "application/octet-stream" })
}

// At most 200 characters that a name may hold; never empty.
function cleanName(name) {
  const clean = [...name.toWellFormed()].filter((character) => !NOT_IN_NAMES.test(character))
  return clean.slice(0, 200).join("") || "file"
}

function cleanType(type) {
  return /^[\x20-\x7e]{1,100}$/.test(type) ? type : "application/octet-stream"
}
