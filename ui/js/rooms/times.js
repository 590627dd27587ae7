import { localise } from "./time.js"

// <neo-times>: the times in it by the reader's own clock; with `data-full` the day too.
class NeoTimes extends HTMLElement {
  connectedCallback() {
    document.addEventListener("live:refreshed", this.#write)
    this.#write()
  }

  disconnectedCallback() {
    document.removeEventListener("live:refreshed", this.#write)
  }

  #write = () => localise(this, this.dataset.full !== undefined)
}

customElements.define("neo-times", NeoTimes)
