// <neo-rooms>: one's rooms, with what is unread in each: a number for oneself alone, and first who called. The sum stands in the
// window's title.
class NeoRooms extends HTMLElement {
  connectedCallback() {
    document.addEventListener("live:unread", this.#mark)
    document.addEventListener("room:unread", this.#mark)
    document.addEventListener("live:refreshed", this.#sum)
    document.addEventListener("desk:room", this.#sum)
    this.#sum()
  }

  disconnectedCallback() {
    document.removeEventListener("live:unread", this.#mark)
    document.removeEventListener("room:unread", this.#mark)
    document.removeEventListener("live:refreshed", this.#sum)
    document.removeEventListener("desk:room", this.#sum)
  }

  #mark = ({ detail: { room, count, mentions = 0 } }) => {
    const link = this.querySelector(`a[data-room="${CSS.escape(room)}"]`)
    if (!link) return
    link.classList.toggle("unread", count > 0)
    link.dataset.unread = count
    link.querySelector(".dot").hidden = count === 0
    this.#write(link.querySelector(".number"), count, `${count}`, "unread")
    this.#write(link.querySelector(".called"), mentions, `@${mentions}`, mentions === 1 ? "calls you" : "call you")
    this.#sum()
  }

  #write(mark, count, text, meaning) {
    mark.hidden = count === 0
    mark.firstChild.data = text
    mark.querySelector(".hidden-visually").textContent = ` ${meaning}`
  }

  #sum = () => {
    const sum = [...this.querySelectorAll("a[data-unread]")].reduce((sum, link) => sum + Number(link.dataset.unread), 0)
    const title = document.title.replace(/^\(\d+\) /, "")
    const now = sum > 0 ? `(${sum}) ${title}` : title
    if (document.title !== now) document.title = now
  }
}

customElements.define("neo-rooms", NeoRooms)
