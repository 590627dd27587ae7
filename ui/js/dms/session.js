// The opened client of direct messages, once a page: whoever needs it waits here until this device has the keys.
// Says on the document what became of it: `dm:state`, with what `state` answers.
import { openClient, unlock as unlockClient } from "../dm/client.js"
import { refusal } from "./gates.js"

let opening = null
let arrived = null // resolves `ready`
const isHere = new Promise((resolve) => (arrived = resolve))
const conversations = new Map() // name → Conversation

/** Why nothing can be opened in this browser at all: "insecure" over plain http, or nothing. */
export const obstacle = globalThis.isSecureContext && globalThis.crypto?.subtle ? null : "insecure"

/** Where opening stands: { state: "ready", client }, { state: "locked" | "none" }, { state: "stopped", alarm },
 *  { state: "insecure" }, or { state: "failed", message } when the server could not be asked. */
export function state() {
  opening ??= obstacle ? Promise.resolve({ state: obstacle }) : openClient().then(heed, failed)
  return opening
}

/** The client, as soon as there is one: perhaps never. */
export async function ready() {
  await state()
  return isHere
}

/** The conversation with somebody, once the client is there; the same one for all who ask. */
export async function conversation(name) {
  const client = await ready()
  if (!conversations.has(name)) conversations.set(name, client.conversation(name))
  return conversations.get(name)
}

/** Opens this device with the account's password (or makes the account's first keys). Throws with a sentence (see `refusal`). */
export async function unlock(password) {
  await unlockClient(password)
  return again()
}

/** Tries once more what did not work. */
export function again() {
  opening = openClient().then(heed, failed)
  return opening
}

/** Takes an error for what it says to people; throws what is none. Answers nothing. */
export function refused(error) {
  refusal(error)
  return null
}

function heed(now) {
  if (now.state === "ready") arrived(now.client)
  return tell(now)
}

function failed(error) {
  return tell({ state: "failed", message: refusal(error, "The server does not answer just now.") })
}

function tell(now) {
  document.dispatchEvent(new CustomEvent("dm:state", { detail: now }))
  return now
}
