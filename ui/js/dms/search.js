import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { begin, fileName, marked, stamp } from "./words.js"

/** Found messages that are listed; who looks for more can say more. */
const MOST = 200
/** What stands around the first match. */
const AROUND = 60

// <neo-dm-search data-with>: searches what this device can open, here and nowhere else: neither the words nor what was found leave it.
class NeoDmSearch extends HTMLElement {
  #talk = null
  #turn = 0

  async connectedCallback() {
    document.addEventListener("click", this.#pressOutside)
    this.addEventListener("submit", this.#submit)
    this.addEventListener("click", this.#press)
    this.addEventListener("keydown", this.#key)
    const talk = await conversation(this.dataset.with)
    if (this.isConnected) this.#talk = talk
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#pressOutside)
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("click", this.#press)
    this.removeEventListener("keydown", this.#key)
    this.#turn++
    this.#talk = null
  }

  #pressOutside = ({ target }) => {
    const button = target.closest("neo-dm [data-key=search]")
    if (!button || !this.#talk) return
    this.hidden = !this.hidden
    button.ariaExpanded = String(!this.hidden)
    if (!this.hidden) this.querySelector("input").select()
  }

  #key = (event) => {
    if (event.key !== "Escape") return
    event.preventDefault()
    this.#close()
  }

  #press = ({ target }) => {
    const button = target.closest("button")
    if (button?.name === "close") return this.#close()
    if (button?.dataset.key) document.dispatchEvent(new CustomEvent("dm:find", { detail: { key: button.dataset.key } }))
  }

  #close() {
    this.#turn++
    this.hidden = true
    const button = document.querySelector("neo-dm [data-key=search]")
    button.ariaExpanded = "false"
    button.focus()
  }

  #submit = async (event) => {
    event.preventDefault()
    const asked = this.querySelector("input").value.trim()
    const words = asked.split(/\s+/).filter(Boolean)
    const turn = ++this.#turn
    const list = this.querySelector("ol")
    list.replaceChildren()
    if (words.length === 0) return this.#tell("Type what you look for.")
    this.#tell("Looking …")
    let count = 0
    try {
      for await (const item of this.#talk.search(asked)) {
        if (turn !== this.#turn) return
        list.append(this.#hit(item, words))
        if (++count >= MOST) break
        if (count % 10 === 0) this.#tell(`${count} so far …`)
      }
    } catch (error) {
      return this.#tell(refusal(error, "The line broke, so not everything was searched. Try again once it is back."))
    }
    if (turn !== this.#turn) return
    this.#tell(count === 0 ? "Nobody said that here. Fewer words find more." : count >= MOST ? `The newest ${MOST}. More words find fewer.` : count === 1 ? "Found once." : `Found ${count} times.`)
  }

  #hit({ key, mine, at, text = "", files = [] }, words) {
    const line = this.querySelector("template").content.firstElementChild.cloneNode(true)
    line.querySelector("button").dataset.key = key
    line.querySelector(".who").textContent = mine ? "you" : this.dataset.with
    stamp(line.querySelector("time"), at, true)
    const all = [text, ...files.map(({ name }) => fileName(name))].join(" ")
    line.querySelector(".said").append(...marked(excerpt(all, words), words))
    return line
  }

  #tell(message) {
    this.querySelector("[role=status]").textContent = message
  }
}

// The part of a text in which the first match stands.
function excerpt(text, words) {
  const line = text.replace(/\s+/g, " ").trim()
  const low = line.toLowerCase()
  const first = Math.min(...words.map((word) => low.indexOf(word.toLowerCase())).filter((at) => at >= 0), line.length)
  const from = first > AROUND && first < line.length ? first - AROUND / 2 : 0
  return (from > 0 ? "…" : "") + begin(line.slice(from), 4 * AROUND)
}

customElements.define("neo-dm-search", NeoDmSearch)
