import { STOPS } from "../dm/alarms.js"
import { explain } from "./explain.js"
import { conversation } from "./session.js"

// <neo-dm-alarms data-with>: what is wrong with this conversation, above its log: what happened, what it may mean, what to do. What
// stops sending comes first and open. (New keys of the other one have a place of their own, where they can be accepted.)
class NeoDmAlarms extends HTMLElement {
  #talk = null

  async connectedCallback() {
    document.addEventListener("dm:explain", this.#open)
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    for (const event of ["alarm", "peer"]) talk.addEventListener(event, this.#show)
    this.#show()
  }

  disconnectedCallback() {
    document.removeEventListener("dm:explain", this.#open)
    for (const event of ["alarm", "peer"]) this.#talk?.removeEventListener(event, this.#show)
    this.#talk = null
  }

  #show = () => {
    const codes = new Map()
    for (const { code, counters } of this.#talk.alarms) {
      if (code === "key_changed" && this.#talk.peer.changed) continue
      codes.set(code, [...(codes.get(code) ?? []), ...(counters ? [this.#place(counters)] : [])])
    }
    const ordered = [...codes].sort(([a], [b]) => Number(STOPS.has(b)) - Number(STOPS.has(a)))
    const list = this.querySelector("ul")
    for (const line of [...list.children]) if (!codes.has(line.dataset.code)) line.remove()
    for (const [code, sentences] of ordered) {
      const line = list.querySelector(`[data-code="${CSS.escape(code)}"]`) ?? list.appendChild(this.#line(code))
      this.#write(line.querySelector(".which"), [...new Set(sentences)])
    }
    this.hidden = codes.size === 0
  }

  #place({ mine, first, last }) {
    const whose = mine ? "your" : `${this.dataset.with}'s`
    return first === last ? `${whose} message ${first}` : `${whose} messages ${first} to ${last}`
  }

  #line(code) {
    const line = this.querySelector("template").content.firstElementChild.cloneNode(true)
    const words = explain(code, this.dataset.with)
    line.dataset.code = code
    line.classList.toggle("stops", STOPS.has(code))
    line.querySelector("details").open = STOPS.has(code)
    for (const part of line.querySelectorAll("[data-words]")) part.textContent = words[part.dataset.words]
    return line
  }

  #write(list, sentences) {
    if (list.children.length === sentences.length && sentences.every((sentence, at) => list.children[at].textContent === sentence)) return
    list.replaceChildren(...sentences.map((sentence) => Object.assign(document.createElement("li"), { textContent: sentence })))
  }

  // Somebody asks what the mark beside a message means.
  #open = ({ detail: { code } }) => {
    const details = this.querySelector(`[data-code="${CSS.escape(code)}"] details`)
    if (!details) return
    details.open = true
    details.scrollIntoView({ block: "nearest" })
    details.querySelector("summary").focus()
  }
}

customElements.define("neo-dm-alarms", NeoDmAlarms)
