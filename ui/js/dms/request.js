import { refusal } from "./gates.js"
import { conversation } from "./session.js"

// <neo-dm-request data-with>: somebody who never wrote before asks; or one's own request waits. Accepting, declining and blocking are
// the buttons' names.
class NeoDmRequest extends HTMLElement {
  #talk = null

  async connectedCallback() {
    this.addEventListener("click", this.#press)
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    for (const event of ["peer", "change"]) talk.addEventListener(event, this.#show)
    this.#show()
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    for (const event of ["peer", "change"]) this.#talk?.removeEventListener(event, this.#show)
    this.#talk = null
  }

  #show = () => {
    const { state, blocked } = this.#talk.peer
    const isAsking = state === "request" && !blocked
    this.querySelector(".asks").hidden = !isAsking
    this.querySelector(".waits").hidden = state !== "asked" || this.#talk.items.length === 0
    this.hidden = [...this.children].every((part) => part.hidden)
  }

  #press = async ({ target }) => {
    const button = target.closest("button[name]")
    if (!button || !this.#talk) return
    const line = this.querySelector("[role=alert]")
    line.hidden = true
    try {
      await this.#talk[button.name]()
      if (button.name === "accept") document.querySelector("neo-dm-composer textarea")?.focus()
      if (button.name === "decline") location.assign("/dm")
    } catch (error) {
      line.textContent = refusal(error)
      line.hidden = false
    }
  }
}

customElements.define("neo-dm-request", NeoDmRequest)
