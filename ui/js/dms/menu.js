import { refusal } from "./gates.js"
import { conversation } from "./session.js"

/** What a button of the menu does, and the state in which it is offered. */
const DEEDS = {
  mute: ({ muted }) => !muted,
  unmute: ({ muted }) => muted,
  block: ({ blocked }) => !blocked,
  unblock: ({ blocked }) => blocked,
}

// <neo-dm-menu data-with>: mute and block, and what they undo. Blocking asks once more.
class NeoDmMenu extends HTMLElement {
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
    for (const [deed, fits] of Object.entries(DEEDS)) {
      for (const button of this.querySelectorAll(`.list [data-deed=${deed}]`)) button.closest("li").hidden = !fits(this.#talk.peer)
    }
  }

  #press = async ({ target }) => {
    const button = target.closest("button")
    if (!button) return
    if (button.closest(".list")) this.closest("[popover]")?.hidePopover()
    if (button.dataset.ask) return this.querySelector(`#${button.dataset.ask}`).showModal()
    const { deed } = button.dataset
    if (!deed || !this.#talk) return
    try {
      await this.#talk[deed]()
      this.dispatchEvent(new CustomEvent("dm:said", { bubbles: true, detail: { message: "" } }))
    } catch (error) {
      this.dispatchEvent(new CustomEvent("dm:said", { bubbles: true, detail: { message: refusal(error) } }))
    }
  }
}

customElements.define("neo-dm-menu", NeoDmMenu)
