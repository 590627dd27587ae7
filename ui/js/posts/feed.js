import { refresh, unwatch, watch } from "../live.js"

// <neo-feed data-version="…">: watches what everybody posts. What is edited or deleted changes where it stands; what is new is a
// link at the head, so that nobody who reads loses their place. What changed between the making of the page and the first
// watching is fetched.
class NeoFeed extends HTMLElement {
  #compared = false

  connectedCallback() {
    document.addEventListener("live:watching", this.#compare)
    watch("feed")
  }

  disconnectedCallback() {
    document.removeEventListener("live:watching", this.#compare)
    unwatch("feed")
  }

  #compare = ({ detail: { topic, version } }) => {
    if (topic !== "feed" || this.#compared) return
    this.#compared = true
    if (version !== this.dataset.version) refresh()
  }
}

customElements.define("neo-feed", NeoFeed)
