// The bench of `neospace plugin dev`: the page follows the server, and the switches need no button.
import { refresh } from "./live.js"
import { fieldsOf, send } from "./send.js"

const events = new EventSource(document.getElementById("main").dataset.events)
events.addEventListener("message", refresh)
// The server was started again: what it has now is what counts.
events.addEventListener("open", refresh)

document.addEventListener("change", ({ target }) => {
  const form = target.closest?.("form[data-auto]")
  if (form?.reportValidity()) post(form)
})

document.addEventListener("submit", (event) => {
  event.preventDefault()
  post(event.target, event.submitter)
})

async function post(form, submitter) {
  const fields = fieldsOf(form, submitter)
  // What is said leaves the box; should the server be gone, there is nothing to say it to.
  if (form.matches("[data-room]")) form.elements.text.value = ""
  await send(form.action, fields)
}
