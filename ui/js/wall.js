import { refresh, unwatch, watch } from "./live.js"

// <neo-wall data-topic="wall:ana" data-version="…">: watches the wall's topic and says who is on it now. What changed between the
// making of the page and the first watching is fetched. Where a script comes to a wall that had none, so does what it runs in.
class NeoWall extends HTMLElement {
  #here = new Set()
  #compared = false
  #canRun = false

  connectedCallback() {
    document.addEventListener("live:connected", this.#forget)
    document.addEventListener("live:presence", this.#meet)
    document.addEventListener("live:watching", this.#compare)
    document.addEventListener("live:patched", this.#equip)
    document.addEventListener("live:refreshed", this.#equip)
    watch(this.dataset.topic)
  }

  disconnectedCallback() {
    document.removeEventListener("live:connected", this.#forget)
    document.removeEventListener("live:presence", this.#meet)
    document.removeEventListener("live:watching", this.#compare)
    document.removeEventListener("live:patched", this.#equip)
    document.removeEventListener("live:refreshed", this.#equip)
    unwatch(this.dataset.topic)
  }

  #forget = () => this.#here.clear()

  #compare = ({ detail: { topic, version } }) => {
    if (topic !== this.dataset.topic || this.#compared) return
    this.#compared = true
    if (version !== this.dataset.version) refresh()
  }

  #equip = () => {
    if (this.#canRun || !this.querySelector("neo-frame")) return
    this.#canRun = true
    if (customElements.get("neo-frame")) return
    import("./frame/frame.js")
  }

  #meet = ({ detail: { topic, joined, left } }) => {
    if (topic !== this.dataset.topic) return
    for (const name of left) this.#here.delete(name)
    for (const name of joined) this.#here.add(name)
    this.#say()
  }

  // The empty name stands for everyone without an account, however many: people are not counted.
  #say() {
    const names = [...this.#here].filter(Boolean).sort()
    const dot = Object.assign(document.createElement("span"), { className: "dot on" })
    const people = names.map((name) => Object.assign(document.createElement("a"), { href: `/wall/${name}`, textContent: name }))
    if (this.#here.has("")) people.push("a passer-by")
    const line = this.querySelector(".here-now")
    line.hidden = people.length === 0
    line.replaceChildren(dot, wrap("On this wall now: ", ...listed(people)))
  }
}

function wrap(...parts) {
  const span = document.createElement("span")
  span.append(...parts)
  return span
}

function listed(people) {
  return people.flatMap((person, nth) => (nth === 0 ? [person] : [nth === people.length - 1 ? " and " : ", ", person]))
}

customElements.define("neo-wall", NeoWall)
