import { refusal } from "./gates.js"
import { ready } from "./session.js"

/** Who said "not now", for the browser's session. */
const LATER = "dm:recovery-later"

// <neo-dm-recovery data-me>: before the first message goes out, makes a recovery code, shows it to be written down or printed, and has two
// of its groups typed back. Only then is it kept by the server (locked, as ever). Opens by itself for the event `dm:first`, and
// with any button that says data-do="recovery".
class NeoDmRecovery extends HTMLElement {
  #dialog
  #made = null // what `makeRecoveryCode` answered
  #done = null // whoever waits to go on
  #isBusy = false

  connectedCallback() {
    this.#dialog = this.querySelector("dialog")
    document.addEventListener("dm:first", this.#first)
    document.addEventListener("click", this.#press)
    this.addEventListener("submit", this.#submit)
    this.#dialog.addEventListener("close", this.#closed)
  }

  disconnectedCallback() {
    document.removeEventListener("dm:first", this.#first)
    document.removeEventListener("click", this.#press)
    this.removeEventListener("submit", this.#submit)
    this.#dialog.removeEventListener("close", this.#closed)
    this.#forget()
  }

  #first = ({ detail }) => {
    if (sessionStorage.getItem(LATER) === this.dataset.me) return
    detail.wait = new Promise((resolve) => (this.#done = resolve))
    this.#open()
  }

  #open() {
    this.#step("password")
    this.#dialog.showModal()
  }

  #press = ({ target }) => {
    const button = target.closest("button")
    if (button?.dataset.do === "recovery") return this.#open()
    if (!button || !this.contains(button)) return
    if (button.name === "print") print()
    if (button.name === "written") this.#ask()
    if (button.name === "again") this.#step("code")
    if (button.name === "later") {
      sessionStorage.setItem(LATER, this.dataset.me)
      this.#dialog.close("later")
    }
    if (button.name === "close") this.#dialog.close("done")
  }

  #submit = async (event) => {
    event.preventDefault()
    if (this.#isBusy) return
    this.#isBusy = true
    this.classList.add("is-keying")
    try {
      if (event.target.dataset.step === "password") await this.#make()
      else await this.#confirm()
    } catch (error) {
      this.#tell(event.target, refusal(error, "The server does not answer just now. Try again in a moment."))
    } finally {
      this.#isBusy = false
      this.classList.remove("is-keying")
    }
  }

  async #make() {
    const input = this.querySelector("[data-step=password] input[type=password]")
    if (input.value === "") return this.#tell(input.form, "Type your password: the one that you log in with.")
    const client = await ready()
    this.#made = await client.makeRecoveryCode(input.value)
    input.value = ""
    for (const list of this.querySelectorAll(".groups")) {
      list.replaceChildren(...this.#made.groups.map((group) => Object.assign(document.createElement("li"), { textContent: group })))
    }
    this.#step("code")
  }

  #ask() {
    const fields = this.querySelectorAll("[data-step=confirm] .field")
    this.#made.ask.forEach((group, at) => {
      const field = fields[at]
      field.querySelector("label").textContent = `Group ${group}`
      const input = field.querySelector("input")
      input.name = group
      input.value = ""
    })
    this.#step("confirm")
  }

  async #confirm() {
    const form = this.querySelector("[data-step=confirm]")
    const typed = Object.fromEntries([...form.querySelectorAll("input")].map(({ name, value }) => [name, value]))
    if (!(await this.#made.check(typed))) return this.#tell(form, "That is not what the code says. Look again: the groups are counted from the left.")
    document.dispatchEvent(new CustomEvent("dm:recovered"))
    this.#step("done")
  }

  #step(name) {
    for (const step of this.querySelectorAll("[data-step]")) {
      step.hidden = step.dataset.step !== name
      const line = step.querySelector("[role=alert]")
      if (line) this.#tell(step, "")
    }
    this.querySelector(`[data-step=${name}] :is(input:not([hidden]), button)`)?.focus()
  }

  #closed = () => {
    const { returnValue } = this.#dialog
    this.#dialog.returnValue = ""
    // Closed half-way: nothing was kept, and what was written waits where it is.
    this.#done?.(returnValue === "done" || returnValue === "later")
    this.#forget()
  }

  // The code is nowhere on the page any more.
  #forget() {
    this.#done = null
    this.#made = null
    for (const list of this.querySelectorAll(".groups")) list.replaceChildren()
    for (const input of this.querySelectorAll("input:not([hidden])")) input.value = ""
  }

  #tell(step, message) {
    const line = step.querySelector("[role=alert]")
    line.textContent = message
    line.hidden = !message
  }
}

customElements.define("neo-dm-recovery", NeoDmRecovery)
