// What a page of direct messages shows while they can't be opened: parts that carry `data-when` are there in the states it names.
import { explain } from "./explain.js"

/** Puts an element into a state as session.js answers them, with the words that belong to it. `name` is the other one's. */
export function showState(root, { state, alarm }, name = "the other one") {
  root.dataset.state = state
  for (const part of root.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(state)
  if (alarm) root.dataset.alarm = alarm.code
  else delete root.dataset.alarm
  if (!alarm) return
  const words = explain(alarm.code, name)
  for (const line of root.querySelectorAll(".gate [data-words]")) line.textContent = words[line.dataset.words]
}

/** What to say when asking the server for something failed; `otherwise` when there was no line. Throws what is no refusal. */
export function refusal(error, otherwise = "The line is down, so that did not happen. Try again once it is back.") {
  if (error.name === "Offline") return otherwise
  if (["Refused", "Denied", "Alarm", "Malformed"].includes(error.name)) return error.message
  throw error
}
