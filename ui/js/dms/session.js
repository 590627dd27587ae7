// The opened client of direct messages, once a page: whoever needs it waits here until this device has the keys.
// Says on the document what became of it: `dm:state`, with what `state` answers.
import { openClient, unlock as unlockClient } from "../dm/client.js"
import { refusal } from "./gates.js"

let opening = null
let arrived = null // resolves `isHere`
const isHere = new Promise((resolve) => (arrived = resolve))

/** Where opening stands, as `openClient` answers, and "insecure" over plain http. */
export function state() {
  opening ??= openClient().then(heed)
  return opening
}

/** The client, as soon as there is one: perhaps never. */
export async function ready() {
  await state()
  return isHere
}

/** The conversation with somebody, once the client is there. */
export async function conversation(name) {
  return (await ready()).conversation(name)
}

/** Opens this device with the account's password, or makes the account's first keys. Throws with a sentence (see `refusal`). */
export async function unlock(password) {
  await unlockClient(password)
  return again()
}

/** Tries once more what did not work. */
export function again() {
  opening = openClient().then(heed)
  return opening
}

/** Takes an error for what it says to people; throws what is none. Answers nothing. */
export function refused(error) {
  refusal(error)
  return null
}

function heed(now) {
  if (now.state === "ready") arrived(now.client)
  if (now.state === "out") location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
  const told = now.state === "unable" && !isSecureContext ? { state: "insecure" } : now
  document.dispatchEvent(new CustomEvent("dm:state", { detail: told }))
  return told
}
