import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { gist } from "./words.js"

// <neo-dm-remove data-with>: deletes a message for oneself, or one's own for both, after having asked which.
class NeoDmRemove extends HTMLElement {
  #item = null

  connectedCallback() {
    document.addEventListener("dm:delete", this.#ask)
    this.addEventListener("submit", this.#submit)
  }

  disconnectedCallback() {
    document.removeEventListener("dm:delete", this.#ask)
    this.removeEventListener("submit", this.#submit)
  }

  #ask = ({ detail: { item } }) => {
    this.#item = item
    this.querySelector(".quote").textContent = gist(item)
    const mayBoth = item.mine && !item.deleted && item.counter !== undefined
    this.querySelector("[value=both]").closest("label").hidden = !mayBoth
    this.querySelector("[value=me]").checked = true
    this.#tell("")
    this.querySelector("dialog").showModal()
  }

  #submit = async (event) => {
    if (event.submitter?.value === "keep") return
    event.preventDefault()
    const scope = this.querySelector("input:checked").value
    try {
      const talk = await conversation(this.dataset.with)
      await talk.remove(this.#item, scope)
      this.querySelector("dialog").close()
    } catch (error) {
      this.#tell(refusal(error, "The line is down, so it could not be deleted. Try again once it is back."))
    }
  }

  #tell(message) {
    const line = this.querySelector("[role=alert]")
    line.textContent = message
    line.hidden = !message
  }
}

customElements.define("neo-dm-remove", NeoDmRemove)
