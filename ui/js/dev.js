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
  await send(form.action, fieldsOf(form, submitter))
}
