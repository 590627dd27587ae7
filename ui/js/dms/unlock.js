import { refusal } from "./gates.js"
import { state, unlock } from "./session.js"

// <neo-dm-unlock>: asks for the password where this device has no keys, and makes the account's first ones. The password has no
// name in the form, so that nothing could ever post it.
class NeoDmUnlock extends HTMLElement {
  #form
  #isBusy = false

  connectedCallback() {
    this.#form = this.querySelector("form")
    this.#form.addEventListener("submit", this.#submit)
    this.#form.addEventListener("input", this.#typed)
    document.addEventListener("dm:state", this.#heed)
    state().then((now) => this.#ask(now))
  }

  disconnectedCallback() {
    this.#form.removeEventListener("submit", this.#submit)
    this.#form.removeEventListener("input", this.#typed)
    document.removeEventListener("dm:state", this.#heed)
  }

  #heed = ({ detail }) => this.#ask(detail)

  #ask({ state, newer }) {
    const now = newer ? "newer" : state
    for (const part of this.querySelectorAll("[data-if]")) part.hidden = !part.dataset.if.split(" ").includes(now)
  }

  #submit = async (event) => {
    event.preventDefault()
    const input = this.querySelector("input[type=password]")
    if (this.#isBusy) return
    if (input.value === "") return this.#tell("Type your password: the one that you log in with.")
    this.#busy(true, "Turning your password into a key …")
    try {
      await unlock(input.value)
      input.value = ""
      this.#busy(false)
    } catch (error) {
      this.#busy(false)
      this.#tell(refusal(error, "The server does not answer just now. Try again in a moment."))
      input.select()
    }
  }

  #typed = () => this.#tell("")

  #busy(isBusy, text = "") {
    this.#isBusy = isBusy
    this.classList.toggle("is-keying", isBusy)
    this.querySelector("button").setAttribute("aria-disabled", String(isBusy))
    this.querySelector("[role=status]").textContent = text
  }

  #tell(message) {
    const field = this.querySelector(".field")
    field.classList.toggle("bad", Boolean(message))
    field.querySelector("input[type=password]").setAttribute("aria-invalid", String(Boolean(message)))
    const line = field.querySelector(".error")
    line.hidden = !message
    line.querySelector("span").textContent = message
    if (message) field.querySelector("input[type=password]").focus()
  }
}

customElements.define("neo-dm-unlock", NeoDmUnlock)
