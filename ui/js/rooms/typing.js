/** One who says nothing more about typing has stopped, after so long. */
const EXPIRES_MS = 6_000

// <neo-typing data-room data-me>: who is typing, other than oneself.
class NeoTyping extends HTMLElement {
  #timers = new Map() // name → when that expires

  connectedCallback() {
    document.addEventListener("live:typing", this.#begin)
    document.addEventListener("live:stop_typing", this.#end)
    document.addEventListener("live:message", this.#end)
    document.addEventListener("live:closed", this.#clear)
  }

  disconnectedCallback() {
    document.removeEventListener("live:typing", this.#begin)
    document.removeEventListener("live:stop_typing", this.#end)
    document.removeEventListener("live:message", this.#end)
    document.removeEventListener("live:closed", this.#clear)
    this.#clear()
  }

  #begin = ({ detail: { room, user } }) => {
    if (room !== this.dataset.room || user === this.dataset.me) return
    clearTimeout(this.#timers.get(user))
    this.#timers.set(user, setTimeout(() => this.#stop(user), EXPIRES_MS))
    this.#show()
  }

  #end = ({ detail: { room, user } }) => {
    if (room === this.dataset.room) this.#stop(user)
  }

  #clear = () => [...this.#timers.keys()].forEach((user) => this.#stop(user))

  #stop(user) {
    clearTimeout(this.#timers.get(user))
    if (this.#timers.delete(user)) this.#show()
  }

  #show() {
    const names = [...this.#timers.keys()].sort()
    const who = names.length > 3 ? "Several people are" : `${names.join(", ").replace(/, ([^,]*)$/, " and $1")} ${names.length === 1 ? "is" : "are"}`
    this.querySelector("span:last-child").textContent = names.length > 0 ? `${who} typing` : ""
    this.classList.toggle("on", names.length > 0)
  }
}

customElements.define("neo-typing", NeoTyping)
