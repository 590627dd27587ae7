import { conversation } from "./session.js"

/** One who says nothing more about typing has stopped, after so long. */
const EXPIRES_MS = 6_000

// <neo-dm-typing data-with>: whether the other one is typing.
class NeoDmTyping extends HTMLElement {
  #talk = null
  #timer = null

  async connectedCallback() {
    document.addEventListener("live:closed", this.#clear)
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    talk.addEventListener("typing", this.#heed)
  }

  disconnectedCallback() {
    document.removeEventListener("live:closed", this.#clear)
    this.#talk?.removeEventListener("typing", this.#heed)
    this.#talk = null
    clearTimeout(this.#timer)
  }

  #heed = ({ detail }) => this.#show(detail.on)

  #clear = () => this.#show(false)

  #show(isTyping) {
    clearTimeout(this.#timer)
    if (isTyping) this.#timer = setTimeout(this.#clear, EXPIRES_MS)
    this.querySelector("span:last-child").textContent = isTyping ? `${this.dataset.with} is typing` : ""
    this.classList.toggle("on", isTyping)
  }
}

customElements.define("neo-dm-typing", NeoDmTyping)
