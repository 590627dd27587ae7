import { unwatch, watch } from "./live.js"

// <neo-system>: lets the figures of the page move, and holds them still. While the page is out of sight nobody looks, so
// nothing is asked for.
class NeoSystem extends HTMLElement {
  #held = false
  #watching = false

  connectedCallback() {
    this.#button.hidden = false
    this.#button.addEventListener("click", this.#toggle)
    document.addEventListener("visibilitychange", this.#look)
    document.addEventListener("live:patched", this.#moved)
    this.#look()
  }

  disconnectedCallback() {
    this.#button.removeEventListener("click", this.#toggle)
    document.removeEventListener("visibilitychange", this.#look)
    document.removeEventListener("live:patched", this.#moved)
    if (this.#watching) unwatch("system")
    this.#watching = false
  }

  get #button() {
    return this.querySelector("button")
  }

  #toggle = () => {
    this.#held = !this.#held
    this.#button.textContent = this.#held ? "Let it move" : "Hold still"
    if (this.#held) this.#say("held still")
    this.#look()
  }

  #look = () => {
    const wanted = !this.#held && document.visibilityState === "visible"
    if (wanted === this.#watching) return
    this.#watching = wanted
    if (wanted) watch("system")
    else unwatch("system")
  }

  #moved = ({ detail: { target } }) => {
    if (target === "figures" && !this.#held) this.#say("live, every second", true)
  }

  #say(text, live = false) {
    const tag = this.querySelector(".tag")
    tag.classList.toggle("yes", live)
    // Said once, not every second.
    if (tag.textContent !== text) tag.textContent = text
  }
}

customElements.define("neo-system", NeoSystem)
