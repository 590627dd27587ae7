// <neo-keys>: what the keyboard does in rooms and direct messages, and the list of it, which opens with "?". Keys press what is on the page: links,
// buttons, messages; so that nothing can be done by key alone.
class NeoKeys extends HTMLElement {
  connectedCallback() {
    document.addEventListener("keydown", this.#key)
    document.addEventListener("click", this.#press)
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.#key)
    document.removeEventListener("click", this.#press)
  }

  #press = ({ target }) => {
    if (target.closest("[data-key=help]")) this.#help()
  }

  #key = (event) => {
    const { key, altKey, ctrlKey, metaKey, target } = event
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return
    const done = altKey && !ctrlKey && !metaKey ? this.#withAlt(key) : (ctrlKey || metaKey) && !altKey ? this.#withControl(key) : !altKey && !target.closest("input, textarea, select, [contenteditable]") && this.#plain(key, target)
    if (done) event.preventDefault()
  }

  #withAlt(key) {
    if (key === "ArrowUp") return this.#room(-1)
    if (key === "ArrowDown") return this.#room(1)
  }

  #withControl(key) {
    return key.toLowerCase() === "k" && this.#click("[data-key=search]")
  }

  #plain(key, target) {
    const message = target.closest(".message")
    switch (key) {
      case "?":
        return this.#help()
      case "/":
        return this.#click("[data-key=search]")
      case "c": {
        const text = document.querySelector(":is(neo-composer, neo-dm-composer) textarea")
        text?.focus()
        return Boolean(text)
      }
      case "r":
        return message && this.#click("[data-do=reply]", message)
      case "e":
        return message?.classList.contains("mine") && this.#click("[data-do=edit]", message)
      case "Delete":
        return message && (message.classList.contains("mine") || message.closest("[data-owner], neo-dm")) && this.#click("[data-do=delete]", message)
      case "ArrowUp":
        return this.#step(target, "previousElementSibling")
      case "ArrowDown":
        return this.#step(target, "nextElementSibling")
      case "End":
        return target.closest("[role=log]") && this.#step(target.closest("[role=log]"), "previousElementSibling")
    }
    return false
  }

  #room(by) {
    const rooms = [...document.querySelectorAll(":is(neo-rooms, neo-dms) a[href]")]
    const at = rooms.findIndex((link) => link.ariaCurrent === "page")
    const to = rooms[at === -1 ? 0 : (at + by + rooms.length) % rooms.length]
    to?.click()
    return Boolean(to)
  }

  // From message to message; from the log itself to its last.
  #step(target, direction) {
    const log = target.closest("[role=log]")
    if (!log) return false
    const message = target.closest(".message")
    let to = message ? message[direction] : log.querySelector(".log").lastElementChild
    while (to && !to.classList.contains("message")) to = to[direction]
    to?.focus()
    to?.scrollIntoView({ block: "nearest" })
    return Boolean(to)
  }

  #click(selector, within = document) {
    const found = within.querySelector(`${selector}:not([hidden])`)
    found?.click()
    return Boolean(found)
  }

  #help() {
    const dialog = this.querySelector("dialog")
    if (!dialog.open) dialog.showModal()
    return true
  }
}

customElements.define("neo-keys", NeoKeys)
