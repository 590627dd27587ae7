// <neo-panes> around the switcher of panes, which a phone shows: says which pane is open. (That it is open is the address's doing.)
class NeoPanes extends HTMLElement {
  connectedCallback() {
    addEventListener("hashchange", this.#mark)
    document.addEventListener("live:refreshed", this.#mark)
    document.addEventListener("desk:room", this.#mark)
    this.#mark()
  }

  disconnectedCallback() {
    removeEventListener("hashchange", this.#mark)
    document.removeEventListener("live:refreshed", this.#mark)
    document.removeEventListener("desk:room", this.#mark)
  }

  #mark = () => {
    const links = [...this.querySelectorAll("a")]
    const open = links.find((link) => link.hash === location.hash) ?? links.find((link) => link.hash === "#talk") ?? links[0]
    for (const link of links) {
      if (link === open) link.ariaCurrent = "page"
      else link.ariaCurrent = null
    }
  }
}

customElements.define("neo-panes", NeoPanes)
