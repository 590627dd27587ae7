// What can be wrong, in words for people. An alarm is computed here, never taken over from the server.

import { Refused } from "../accounts/derive.js"

const SENTENCES = {
  missing: "Messages are missing here: the server held some back, or lost them.",
  repeated: "The server sent a message a second time. It is shown once.",
  reordered: "The server sent messages in another order than they were written in. They are shown as they were written.",
  broken: "This message can't be read: it was altered on its way, or it is not for you.",
  removed: "The server dropped this message. Who wrote it did not ask for that.",
  forged: "Somebody tried to change or remove a message that isn't theirs. That was ignored.",
  version: "This message is of a kind that this page doesn't know. Load the page anew; if that doesn't help, ask who sent it.",
  key_changed: "The key of this member has changed. Either they made new keys, or somebody reads along. Nothing is sent until you have accepted it: ask them, best in person, and compare the safety numbers.",
  own_key: "The server shows a key under your name that you did not make on this device. If you made new keys elsewhere, type your password here. If not, somebody else made it: nothing is sent any more.",
  log_fork: "The server shows you another list of keys than it showed before, or than it shows others. Nothing is sent any more. Tell whoever runs this node, and compare safety numbers with those you write to.",
  log_broken: "The server's list of keys is not well made. Nothing is sent any more.",
  wrapped: "The keys that the server keeps for you don't fit the ones you made. Nothing of them was used.",
  notebook: "The server gave back an older or an altered notebook of yours. Nothing of it was used.",
  kdf: "The server asks for a weaker way to turn your password into a key. Your password was not used.",
}

/** Alarms after which nothing is sent any more. */
export const STOPS = new Set(["key_changed", "own_key", "log_fork", "log_broken", "wrapped", "notebook", "kdf"])

/** Something is wrong in a way that must be said. `code` as in docs/direct-messages.md; the message is for people. */
export class Alarm extends Refused {
  name = "Alarm"

  constructor(code, detail = "") {
    super(sentence(code))
    this.code = code
    this.detail = detail
  }
}

/** What an alarm says to people. */
export function sentence(code) {
  return SENTENCES[code] ?? SENTENCES.broken
}
