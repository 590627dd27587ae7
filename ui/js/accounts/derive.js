// Splits a password into two keys, so that the password itself never leaves the page.
//
// The auth key proves the password to the server; the wrap key stays here. What is done is described byte by byte in
// docs/accounts-and-keys.md, and done in Rust by host/src/crypto.rs; both are held to tests/vectors/derivation.json.
// What a server says about salt and rounds is attacker input: the limits below are this file's, not the server's.

export const MIN_ROUNDS = 600_000
export const MAX_ROUNDS = 5_000_000
export const SALT_BYTES = 16
export const MIN_PASSWORD_CHARACTERS = 10
export const MAX_PASSWORD_BYTES = 1024

// Why nothing is done. The message is a sentence for people. (`kdf`: because a server asks for less than is safe.)
export class Refused extends Error {
  name = "Refused"
}

function unsafe(message) {
  return Object.assign(new Refused(message), { code: "kdf" })
}

// Parameters for a new password: `{ salt: Uint8Array(16), rounds }`.
export function freshParameters() {
  return { salt: crypto.getRandomValues(new Uint8Array(SALT_BYTES)), rounds: MIN_ROUNDS }
}

// Parameters as a server answers them, `{ salt: "…", rounds }`, checked. Throws `Refused`.
export function readParameters({ salt, rounds } = {}) {
  const bytes = fromBase64url(salt)
  if (bytes?.length !== SALT_BYTES) {
    throw unsafe(`The server sent a salt that is not ${SALT_BYTES} bytes. Your password was not used.`)
  }
  checkRounds(rounds)
  return { salt: bytes, rounds }
}

// Throws `Refused` when `password` may not become a new password.
export function checkNewPassword(password) {
  const characters = [...normal(password)].length
  if (characters === 0) throw new Refused("There is no password. Type one.")
  if (characters < MIN_PASSWORD_CHARACTERS) {
    throw new Refused(`That is ${characters} character${characters === 1 ? "" : "s"}: at least ${MIN_PASSWORD_CHARACTERS}, please. A silly sentence is best.`)
  }
  encodePassword(password)
}

// Both keys of the account `name`: `{ auth: "43 letters of base64url", wrap: CryptoKey }`. The wrap key is for
// AES-256-GCM and can't be read out.
export async function derive(name, password, { salt, rounds }) {
  const bytes = encodePassword(password)
  checkRounds(rounds)
  if (salt.length !== SALT_BYTES) throw new Refused(`A salt is ${SALT_BYTES} bytes.`)

  const { subtle } = crypto
  const typed = await subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveBits"])
  bytes.fill(0)
  const master = new Uint8Array(await subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds }, typed, 256))
  const split = await subtle.importKey("raw", master, "HKDF", false, ["deriveBits", "deriveKey"])
  master.fill(0)

  const to = purpose => ({
    name: "HKDF",
    hash: "SHA-256",
    salt: new Uint8Array(0),
    info: new TextEncoder().encode(`neospace/1 ${purpose} ${foldName(name)}`)
  })
  const auth = new Uint8Array(await subtle.deriveBits(to("auth"), split, 256))
  const wrap = await subtle.deriveKey(to("wrap"), split, { name: "AES-GCM", length: 256 }, false, ["wrapKey", "unwrapKey", "encrypt", "decrypt"])
  return { auth: toBase64url(auth), wrap }
}

// The name as it is stored: A-Z become a-z and nothing else changes, spaces at the ends go.
export function foldName(name) {
  return name.replace(/^ +| +$/g, "").replace(/[A-Z]/g, letter => letter.toLowerCase())
}

export function toBase64url(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")
}

// The bytes of the one correct spelling, or undefined.
function fromBase64url(text) {
  if (typeof text !== "string" || !/^[A-Za-z0-9_-]*$/.test(text)) return
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), letter => letter.charCodeAt(0))
    return toBase64url(bytes) === text ? bytes : undefined
  } catch {
    return undefined
  }
}

function checkRounds(rounds) {
  if (!Number.isInteger(rounds) || rounds < MIN_ROUNDS || rounds > MAX_ROUNDS) {
    throw unsafe(`The server asks for ${rounds} rounds; only ${MIN_ROUNDS} to ${MAX_ROUNDS} are safe. Your password was not used.`)
  }
}

function encodePassword(password) {
  const bytes = new TextEncoder().encode(normal(password))
  if (bytes.length === 0) throw new Refused("There is no password. Type one.")
  if (bytes.length > MAX_PASSWORD_BYTES) throw new Refused(`That is ${bytes.length} bytes: at most ${MAX_PASSWORD_BYTES} fit.`)
  return bytes
}

function normal(password) {
  return password.normalize("NFKC")
}
