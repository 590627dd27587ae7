import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { stamp } from "./words.js"

// <neo-dm-key data-with>: stands in the composer's place while the other one's keys are not those that were trusted, until they are
// accepted. Accepting takes a second press, where one has read what it means.
class NeoDmKey extends HTMLElement {
  #talk = null

  async connectedCallback() {
    this.addEventListener("click", this.#press)
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    talk.addEventListener("peer", this.#show)
    this.#show()
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    this.#talk?.removeEventListener("peer", this.#show)
    this.#talk = null
  }

  #show = () => {
    const { changed, pin } = this.#talk.peer
    if (changed) {
      if (changed.at) stamp(this.querySelector("time"), changed.at, true)
      this.querySelector(".when").hidden = !changed.at
      this.querySelector(".was-compared").hidden = !pin?.compared
    }
    this.hidden = !changed
  }

  #press = async ({ target }) => {
    const button = target.closest("button")
    if (button?.dataset.do === "accept-key") this.querySelector("dialog").showModal()
    if (button?.value !== "accept") return
    button.disabled = true
    try {
      await this.#talk.acceptKey()
      this.querySelector("dialog").close()
      document.querySelector("neo-dm-composer textarea")?.focus()
    } catch (error) {
      const line = this.querySelector("[role=alert]")
      line.textContent = refusal(error)
      line.hidden = false
    } finally {
      button.disabled = false
    }
  }
}

customElements.define("neo-dm-key", NeoDmKey)
