import { ask } from "../live.js"

// <neo-outbox data-room data-me>: what one has said and the server has not acknowledged. Each text is kept in the browser under a
// nonce of its own until the answer comes, over gaps of the line and reloads of the page; the nonce makes it one message
// however often it is sent. It is shown as the plain text that it is, because it is no message yet.
class NeoOutbox extends HTMLElement {
  #under = new Set() // nonces that are on their way

  connectedCallback() {
    document.addEventListener("composer:send", this.#take)
    document.addEventListener("live:connected", this.#sendAll)
    document.addEventListener("live:message", this.#heard)
    addEventListener("storage", this.#elsewhere)
    this.addEventListener("click", this.#press)
    this.#show()
    this.#sendAll()
  }

  disconnectedCallback() {
    document.removeEventListener("composer:send", this.#take)
    document.removeEventListener("live:connected", this.#sendAll)
    document.removeEventListener("live:message", this.#heard)
    removeEventListener("storage", this.#elsewhere)
    this.removeEventListener("click", this.#press)
  }

  #take = ({ detail: { room, content, replyTo, pictures } }) => {
    if (room !== this.dataset.room) return
    const item = { nonce: crypto.randomUUID?.() ?? nonce(), content, replyTo, pictures }
    this.#keep([...this.#kept(), item])
    this.#send(item)
  }

  #sendAll = () => {
    for (const item of this.#kept()) if (!item.refused) this.#send(item)
  }

  async #send({ nonce, content, replyTo, pictures }) {
    if (this.#under.has(nonce)) return
    this.#under.add(nonce)
    const frame = { event: "send_message", room: this.dataset.room, content, nonce }
    if (replyTo) frame.reply_to = replyTo
    if (pictures) frame.pictures = pictures.map(({ id }) => id)
    const answer = await ask(frame)
    this.#under.delete(nonce)
    // No answer: the line broke. It is sent again once the line is back.
    if (!answer) return
    if (answer.event === "error") return this.#refuse(nonce, answer.message)
    this.#forget(nonce)
    if (answer.event === "whisper") this.dispatchEvent(new CustomEvent("outbox:whispered", { bubbles: true, detail: answer }))
  }

  #heard = ({ detail: { nonce } }) => {
    if (nonce) this.#forget(nonce)
  }

  // The text goes back to where it was written, if nothing else stands there by now; else it waits here with the reason.
  #refuse(nonce, message) {
    const item = this.#kept().find((item) => item.nonce === nonce)
    if (!item) return
    this.#keep(this.#kept().map((one) => (one.nonce === nonce ? { ...one, refused: message } : one)))
    this.#giveBack(nonce, true)
  }

  #giveBack(nonce, politely = false) {
    const item = this.#kept().find((item) => item.nonce === nonce)
    const taken = item && !this.dispatchEvent(new CustomEvent("outbox:back", { bubbles: true, cancelable: true, detail: { ...item, politely } }))
    if (taken) this.#forget(nonce)
  }

  #press = ({ target }) => {
    const button = target.closest("button")
    if (!button) return
    const nonce = button.closest("li").dataset.nonce
    if (button.name === "back") this.#giveBack(nonce)
    else this.#forget(nonce)
  }

  // ── what is kept ─────────────────────────────────────────────────────────────────────────────

  get #key() {
    return `outbox:${this.dataset.me}:${this.dataset.room}`
  }

  #kept() {
    return JSON.parse(localStorage.getItem(this.#key) ?? "[]")
  }

  #keep(items) {
    if (items.length > 0) localStorage.setItem(this.#key, JSON.stringify(items))
    else localStorage.removeItem(this.#key)
    this.#show()
  }

  #forget(nonce) {
    const kept = this.#kept()
    const rest = kept.filter((item) => item.nonce !== nonce)
    if (rest.length < kept.length) this.#keep(rest)
  }

  #elsewhere = ({ key }) => {
    if (key === this.#key) this.#show()
  }

  #show() {
    const list = this.querySelector("ol")
    const template = this.querySelector("template")
    list.replaceChildren(
      ...this.#kept().map(({ nonce, content, pictures, refused }) => {
        const line = template.content.cloneNode(true).firstElementChild
        line.dataset.nonce = nonce
        line.querySelector(".text").textContent = content || (pictures?.length === 1 ? "a picture" : `${pictures?.length} pictures`)
        line.querySelector(".why").textContent = refused ?? "not sent yet"
        line.classList.toggle("refused", Boolean(refused))
        for (const button of line.querySelectorAll("button")) button.hidden = !refused
        return line
      }),
    )
    this.hidden = list.children.length === 0
    this.dispatchEvent(new CustomEvent("outbox:changed", { bubbles: true }))
  }
}

// Over plain http there is no randomUUID.
function nonce() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("")
}

customElements.define("neo-outbox", NeoOutbox)
