// What the forms with a password have in common: they send keys instead of the password, show what was refused beside
// the field that it is about, and keep what was typed, since the page stays. An element gives `keys()`, the fields to
// send beside those of the form. The password's input has no name, so not even a form without this script could post it.
import { Refused } from "./derive.js"
import { ask } from "./parameters.js"

export class KeyedForm extends HTMLElement {
  #form
  #button
  #status
  #busy = false
  #wait

  connectedCallback() {
    this.#form = this.querySelector("form")
    this.#button = this.#form.querySelector("button[type=submit]")
    this.#status = this.#form.querySelector("[role=status]")
    if (!window.isSecureContext) return this.#refuseInsecure()
    this.#form.noValidate = true
    this.#form.addEventListener("submit", this.#submit)
    this.#form.addEventListener("input", this.#typed)
    this.#button.disabled = false
  }

  disconnectedCallback() {
    clearInterval(this.#wait)
    this.#form.removeEventListener("submit", this.#submit)
    this.#form.removeEventListener("input", this.#typed)
  }

  // The value of the input with this id or name.
  value(field) {
    return this.#form.elements[field].value
  }

  #submit = async event => {
    event.preventDefault()
    if (this.#busy || this.#wait) return
    this.#begin()
    try {
      if (this.#markEmpty()) return
      await this.act(event.submitter)
    } catch (error) {
      if (error instanceof FieldRefused) this.#mark(error.field, error.message)
      else if (error instanceof Refused) this.#fail(error.message)
      else throw error
    } finally {
      this.#end()
    }
  }

  // What is done once all is filled in: the form is sent with its keys.
  async act() {
    const body = new URLSearchParams(new FormData(this.#form))
    for (const [field, value] of Object.entries(await this.keys())) body.set(field, value)
    this.say("Knocking …")
    await this.#answer(await ask(this.#form.action, { method: "POST", body }))
  }

  // What is done with an answer that lets one in, before the next page, which is at `next`.
  async entered(next) {}

  #typed = event => this.#unmark(event.target.closest(".field"))

  async #answer(response) {
    const answer = await response.json().catch(() => ({}))
    if (response.ok) {
      this.say("Come in …")
      await this.entered(answer.next)
      return location.assign(answer.next)
    }
    const seconds = Number(response.headers.get("retry-after"))
    if (seconds) return this.#waitFor(seconds, answer.detail)
    for (const { field, message } of answer.errors ?? []) this.#mark(field, message)
    if (!answer.errors?.length) this.#fail(answer.detail ?? "The server did not understand. Load this page again.")
  }

  #begin() {
    this.#busy = true
    for (const field of this.querySelectorAll(".field")) this.#unmark(field)
    this.#button.setAttribute("aria-disabled", "true")
    this.classList.add("is-keying")
    this.say("Turning your password into a key …")
  }

  #end() {
    this.#busy = false
    this.classList.remove("is-keying")
    if (!this.#wait) this.#button.removeAttribute("aria-disabled")
    if (this.#status.textContent.endsWith("…")) this.say("")
    this.querySelector(".field.bad .input")?.focus()
  }

  // Counts down, then lets the form be used again.
  #waitFor(seconds, why) {
    const reason = why?.replace(/ Try again in .*/, "") ?? "Too often."
    const until = performance.now() + seconds * 1000
    const tell = () => {
      const left = Math.ceil((until - performance.now()) / 1000)
      if (left > 0) return this.#fail(`${reason} Try again in ${left} second${left === 1 ? "" : "s"}.`)
      clearInterval(this.#wait)
      this.#wait = undefined
      this.#button.removeAttribute("aria-disabled")
      this.say("You may try again now.")
    }
    this.#wait = setInterval(tell, 1000)
    this.#button.setAttribute("aria-disabled", "true")
    tell()
  }

  #markEmpty() {
    const empty = [...this.#form.querySelectorAll("input[required]")].filter(input => input.value === "")
    for (const input of empty) this.#mark(input.closest(".field").dataset.field, "This can't be empty.")
    return empty.length > 0
  }

  #mark(name, message) {
    const field = this.querySelector(`[data-field="${CSS.escape(name)}"]`)
    if (!field) return this.#fail(message)
    const note = field.querySelector(".help, .error")
    note.dataset.help ??= note.textContent
    const sentence = document.createElement("span")
    sentence.textContent = message
    note.replaceChildren(sentence)
    note.className = "error"
    field.classList.add("bad")
    field.querySelector("input").setAttribute("aria-invalid", "true")
  }

  #unmark(field) {
    if (!field?.classList.contains("bad")) return
    const note = field.querySelector(".error")
    note.textContent = note.dataset.help ?? ""
    note.className = "help"
    field.classList.remove("bad")
    field.querySelector("input").removeAttribute("aria-invalid")
  }

  // Says what is going on.
  say(text) {
    this.#status.textContent = text
    this.#status.classList.remove("bad")
  }

  #fail(text) {
    this.say(text)
    this.#status.classList.add("bad")
  }

  #refuseInsecure() {
    this.querySelector("[data-insecure]").hidden = false
    for (const control of this.#form.elements) control.disabled = true
  }
}

// A refusal that belongs to one field.
export class FieldRefused extends Refused {
  constructor(field, message) {
    super(message)
    this.field = field
  }
}

// Runs `check`, and makes its refusal one of `field`.
export async function forField(field, check) {
  try {
    return await check()
  } catch (error) {
    throw error instanceof Refused ? new FieldRefused(field, error.message) : error
  }
}
