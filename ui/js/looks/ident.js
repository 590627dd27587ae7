import { parse, patch } from "../morph.js"
import { fieldsOf, send } from "../send.js"

// <neo-ident>: one's words on one's wall, changed where they stand. It is a plain form in a lid; with a script it is kept without
// leaving the page, and everyone who looks sees it at once.
class NeoIdent extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this.#keep)
    this.addEventListener("keydown", this.#key)
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#keep)
    this.removeEventListener("keydown", this.#key)
  }

  #keep = async (event) => {
    event.preventDefault()
    const { ok, html, message } = await send(event.target.action, fieldsOf(event.target))
    if (!ok) return this.#refuse(message || [...parse(html).querySelectorAll(".field.bad .error")].map((error) => error.textContent).join(" "))
    this.#close()
    patch({ target: "ident", mode: "morph", html })
    document.querySelector("neo-ident summary")?.focus()
    document.getElementById("said").textContent = "Saved."
  }

  #key = (event) => {
    if (event.key !== "Escape" || !this.querySelector("details").open) return
    this.querySelector("form").reset()
    this.#close()
    this.querySelector("summary").focus()
  }

  #refuse(why) {
    const error = this.querySelector(".error")
    error.textContent = why
    error.hidden = false
  }

  #close() {
    this.querySelector(".error").hidden = true
    this.querySelector("details").open = false
  }
}

customElements.define("neo-ident", NeoIdent)
