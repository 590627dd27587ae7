/** So many lines are shown; older ones go. */
const MOST = 300

const LEVELS = { log: "says", info: "notes", warn: "warns", error: "fails", debug: "mutters" }

// <neo-console>: what a sketch says and what it runs into, each with the place in the source that it came from; pressing that tells
// `console:go` {line, column}.
class NeoConsole extends HTMLElement {
  connectedCallback() {
    this.addEventListener("click", this.#press)
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
  }

  /** One more line. `level` "ran" is the studio's own word. */
  add({ level = "log", text, line = null, column = null, times = 1 }) {
    const list = this.#list
    const atEnd = this.#roll.scrollHeight - this.#roll.scrollTop - this.#roll.clientHeight < 30
    const last = list.lastElementChild
    // What is said again and again is one line with a figure.
    if (last?.dataset.what === `${level} ${line} ${text}`) {
      last.dataset.times = Number(last.dataset.times) + times
      last.querySelector(".times").textContent = `× ${last.dataset.times}`
    } else list.append(this.#row({ level, text, line, column, times }))
    while (list.children.length > MOST) list.firstElementChild.remove()
    if (atEnd) this.#roll.scrollTop = this.#roll.scrollHeight
  }

  clear() {
    this.#list.replaceChildren()
  }

  get #list() {
    return this.querySelector("ol")
  }

  get #roll() {
    return this.querySelector(".roll")
  }

  #row({ level, text, line, column, times }) {
    const row = Object.assign(document.createElement("li"), { className: level })
    row.dataset.what = `${level} ${line} ${text}`
    row.dataset.times = times
    const word = Object.assign(document.createElement("span"), { className: "level", textContent: LEVELS[level] ?? "›" })
    const said = Object.assign(document.createElement("span"), { className: "said", textContent: text })
    const often = Object.assign(document.createElement("span"), { className: "times", textContent: times > 1 ? `× ${times}` : "" })
    row.append(word, said, often)
    if (line) {
      const place = Object.assign(document.createElement("button"), { type: "button", className: "place", textContent: column ? `line ${line}:${column}` : `line ${line}` })
      Object.assign(place.dataset, { line, column: column ?? 1 })
      row.append(place)
    }
    return row
  }

  #press = ({ target }) => {
    const place = target.closest(".place")
    if (place) this.dispatchEvent(new CustomEvent("console:go", { bubbles: true, detail: { line: Number(place.dataset.line), column: Number(place.dataset.column) } }))
    if (target.closest("[data-do=clear]")) this.clear()
  }
}

customElements.define("neo-console", NeoConsole)
