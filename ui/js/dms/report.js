import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { fileName, stamp } from "./words.js"

// <neo-dm-report data-with>: reveals one message to the operators, after having said exactly what they will see.
class NeoDmReport extends HTMLElement {
  #item = null

  connectedCallback() {
    document.addEventListener("dm:report", this.#ask)
    this.addEventListener("submit", this.#submit)
  }

  disconnectedCallback() {
    document.removeEventListener("dm:report", this.#ask)
    this.removeEventListener("submit", this.#submit)
  }

  #ask = ({ detail: { item } }) => {
    this.#item = item
    const first = item.edited ? (item.history[0] ?? item) : item
    this.querySelector(".quote").textContent = first.text
    this.querySelector(".quote").hidden = !first.text
    stamp(this.querySelector("time"), first.at, true)
    this.querySelector(".counter").textContent = item.counter
    this.querySelector(".of-edited").hidden = !item.edited
    const names = item.files?.map(({ name }) => fileName(name)) ?? []
    this.querySelector(".of-files").hidden = names.length === 0
    this.querySelector(".names").textContent = names.join(", ")
    this.querySelector("textarea").value = ""
    this.#tell("")
    this.querySelector(".asks").hidden = false
    this.querySelector(".done").hidden = true
    this.querySelector("dialog").showModal()
  }

  #submit = async (event) => {
    if (event.submitter?.value === "keep") return
    event.preventDefault()
    event.submitter.disabled = true
    try {
      const talk = await conversation(this.dataset.with)
      await talk.report(this.#item, this.querySelector("textarea").value.trim())
      this.querySelector(".asks").hidden = true
      this.querySelector(".done").hidden = false
      this.querySelector(".done button").focus()
    } catch (error) {
      this.#tell(refusal(error, "The line is down, so nothing was reported. Try again once it is back."))
    } finally {
      event.submitter.disabled = false
    }
  }

  #tell(message) {
    const line = this.querySelector("[role=alert]")
    line.textContent = message
    line.hidden = !message
  }
}

customElements.define("neo-dm-report", NeoDmReport)
