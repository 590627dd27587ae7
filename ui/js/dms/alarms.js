import { explain, STOPPING } from "./explain.js"
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
    talk.addEventListener("alarm", this.#show)
    talk.addEventListener("change", this.#show)
    this.#show()
  }

  disconnectedCallback() {
    document.removeEventListener("dm:explain", this.#open)
    this.#talk?.removeEventListener("alarm", this.#show)
    this.#talk?.removeEventListener("change", this.#show)
    this.#talk = null
  }

  #show = () => {
    const codes = new Map()
    for (const { code, sentence } of this.#talk.alarms) {
      if (code === "key_changed") continue
      codes.set(code, [...(codes.get(code) ?? []), sentence])
    }
    const ordered = [...codes].sort(([a], [b]) => Number(STOPPING.has(b)) - Number(STOPPING.has(a)))
    const list = this.querySelector("ul")
    for (const line of [...list.children]) if (!codes.has(line.dataset.code)) line.remove()
    for (const [code, sentences] of ordered) {
      const line = list.querySelector(`[data-code="${CSS.escape(code)}"]`) ?? list.appendChild(this.#line(code))
      this.#write(line.querySelector(".which"), [...new Set(sentences)])
    }
    this.hidden = codes.size === 0
  }

  #line(code) {
    const line = this.querySelector("template").content.firstElementChild.cloneNode(true)
    const words = explain(code, this.dataset.with)
    line.dataset.code = code
    line.classList.toggle("stops", STOPPING.has(code))
    line.querySelector("details").open = STOPPING.has(code)
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
