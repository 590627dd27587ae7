// Requests about keys and messages. What a server answers is input from outside: its size is bounded here, its shape is checked by
// whoever asked.
import { Refused } from "../accounts/derive.js"
import { fromUtf8 } from "./bytes.js"

/** Bytes of a JSON answer. */
const JSON_MOST = 16 * 1024 * 1024
/** How long an answer may take, in milliseconds: one with files on a slow line, and all others. */
const BYTES_MS = 15 * 60_000
const JSON_MS = 2 * 60_000

/** The server refused. `status` is HTTP's, `code` the problem's, the message a sentence for people, `body` the whole answer. */
export class Denied extends Refused {
  name = "Denied"

  constructor(status, body, retryAfter) {
    const text = [body?.detail, body?.title].find((said) => typeof said === "string" && said.length < 1000)
    super(text ?? "The server did not understand. Load this page again.")
    this.status = status
    this.code = typeof body?.code === "string" ? body.code : ""
    this.body = body
    this.retryAfter = Number(retryAfter) || 0
  }
}

/** There was no answer. */
export class Offline extends Refused {
  name = "Offline"

  constructor() {
    super("The line is down. What you typed is kept.")
  }
}

export function getJson(address) {
  return ask(address, {})
}

export function postJson(address, fields = {}) {
  return sendJson("POST", address, fields)
}

export function putJson(address, fields) {
  return sendJson("PUT", address, fields)
}

function sendJson(method, address, fields) {
  return ask(address, { method, body: JSON.stringify(fields), headers: { "content-type": "application/json" } })
}

/** Posts bytes as they are; answers JSON. */
export function postBytes(address, bytes) {
  return ask(address, { method: "POST", body: bytes, headers: { "content-type": "application/octet-stream" } }, BYTES_MS)
}

/** Gets bytes, at most `most` of them; tells `onProgress` how many there are so far. */
export async function getBytes(address, most, onProgress) {
  const response = await request(address, { headers: { accept: "application/octet-stream" } }, BYTES_MS)
  if (!response.ok) throw await denied(response)
  return readAll(response, most, onProgress)
}

async function ask(address, { headers, ...options }, longest = JSON_MS) {
  const response = await request(address, { ...options, headers: { accept: "application/json", ...headers } }, longest)
  if (!response.ok) throw await denied(response)
  const bytes = await readAll(response, JSON_MOST)
  if (bytes.length === 0) return null
  try {
    return JSON.parse(fromUtf8(bytes))
  } catch {
    throw new Denied(response.status, null)
  }
}

async function request(address, options, longest) {
  try {
    return await fetch(address, { ...options, credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(longest) })
  } catch {
    throw new Offline()
  }
}

async function denied(response) {
  const body = await readAll(response, 1024 * 1024)
    .then((bytes) => JSON.parse(fromUtf8(bytes)))
    .catch(() => null)
  return new Denied(response.status, body, response.headers.get("retry-after"))
}

async function readAll(response, most, onProgress) {
  const parts = []
  let length = 0
  try {
    const reader = response.body?.getReader()
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true }
      if (done) break
      length += value.length
      if (length > most) {
        reader.cancel().catch(() => {})
        throw new Denied(response.status, { detail: "The server's answer is too large." })
      }
      parts.push(value)
      onProgress?.(length)
    }
  } catch (error) {
    throw error instanceof Denied ? error : new Offline()
  }
  const bytes = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}
