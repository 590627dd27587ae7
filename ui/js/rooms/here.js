// <neo-here data-room data-me>: the names of those who have the room open now. The server says who came and who left.
class NeoHere extends HTMLElement {
  #names = new Set()
  #others = false // whether there are more than the server names

  connectedCallback() {
    document.addEventListener("live:connected", this.#forget)
    document.addEventListener("live:presence", this.#meet)
  }

  disconnectedCallback() {
    document.removeEventListener("live:connected", this.#forget)
    document.removeEventListener("live:presence", this.#meet)
  }

  #forget = () => {
    this.#names.clear()
    this.#others = false
  }

  #meet = ({ detail: { topic, joined, left, more } }) => {
    if (topic !== `room:${this.dataset.room}`) return
    this.#others ||= Boolean(more)
    for (const name of left) this.#names.delete(name)
    for (const name of joined) if (name) this.#names.add(name)
    const people = [...this.#names].sort().map((name) => this.#person(name))
    if (this.#others) people.push(Object.assign(document.createElement("li"), { className: "item", textContent: "and others" }))
    this.querySelector("ul").replaceChildren(...people)
    this.hidden = people.length === 0
  }

  #person(name) {
    const line = document.createElement("li")
    const link = Object.assign(document.createElement("a"), { href: `/wall/${name}` })
    link.append(Object.assign(document.createElement("span"), { className: "dot on" }), name === this.dataset.me ? `${name}, that is you` : name)
    line.append(link)
    return line
  }
}

customElements.define("neo-here", NeoHere)
