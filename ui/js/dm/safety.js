// The safety number of two members: what they compare, best in person. "Trust" in docs/direct-messages.md.
import { join, utf8 } from "./bytes.js"
import { inOrder } from "./message.js"

const ROUNDS = 5200
const BYTES = 30

/** The 60 digits of two parties, each `{ name, identity, signing }`: twelve groups of five. */
export async function safetyDigits(a, b) {
  const [first, second] = inOrder(a.name, b.name)[0] === a.name ? [a, b] : [b, a]
  const halves = await Promise.all([half(first), half(second)])
  return halves.flat()
}

async function half({ name, identity, signing }) {
  const password = await crypto.subtle.importKey("raw", join(identity, signing), "PBKDF2", false, ["deriveBits"])
  const salt = utf8(`neospace/1 dm safety ${name}`)
  const bytes = new Uint8Array(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-512", salt, iterations: ROUNDS }, password, 8 * BYTES))
  return Array.from({ length: BYTES / 5 }, (_, group) => {
    const number = bytes.slice(5 * group, 5 * group + 5).reduce((sum, byte) => sum * 256 + byte, 0)
    return String(number % 100_000).padStart(5, "0")
  })
}

/** What the QR code holds. */
export function safetyText(a, b, digits) {
  const [lower, higher] = inOrder(a, b)
  return `neospace safety 1 ${lower} ${higher} ${digits.join("")}`
}

/** A QR code with its quiet zone, as rows of booleans: true where it is dark. */
export async function qrMatrix(text) {
  const { encodeQR } = await import("/static/v/vendor/qr-0.7.0/index.js")
  return encodeQR(text, "raw", { ecc: "medium", encoding: "byte", border: 4 })
}
