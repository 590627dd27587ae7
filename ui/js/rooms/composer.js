import { showLeft, tell } from "../composing.js"
import { ask, say } from "../live.js"
import { parse } from "../morph.js"

/** While one types it is said so often. */
const TYPING_EVERY_MS = 3_000

// <neo-composer data-room data-me>: where one writes. Keeps what is written over reloads, sends it with Enter, answers, edits, offers
// the commands that the server has. The sending itself is the outbox's.
class NeoComposer extends HTMLElement {
  #form
  #text
  #mode = { kind: "say" } // or { kind: "reply", id } or { kind: "edit", id }
  #before = "" // what was being written when an edit began
  #typedAt = 0
  #chosen = -1
  #waiting = false // to be sent once its pictures are here

  connectedCallback() {
    this.#form = this.querySelector("form")
    this.#text = this.querySelector("textarea")
    this.#form.addEventListener("submit", this.#submit)
    this.#text.addEventListener("input", this.#typed)
    this.#text.addEventListener("keydown", this.#key)
    this.#text.addEventListener("blur", this.#rest)
    this.addEventListener("click", this.#press)
    this.addEventListener("attach:ready", this.#arrived)
    for (const [name, heed] of this.#ears()) document.addEventListener(name, heed)
    if (!this.#text.value) this.#text.value = localStorage.getItem(this.#kept) ?? ""
    this.#count()
  }

  disconnectedCallback() {
    this.#form.removeEventListener("submit", this.#submit)
    this.#text.removeEventListener("input", this.#typed)
    this.#text.removeEventListener("keydown", this.#key)
    this.#text.removeEventListener("blur", this.#rest)
    this.removeEventListener("click", this.#press)
    this.removeEventListener("attach:ready", this.#arrived)
    for (const [name, heed] of this.#ears()) document.removeEventListener(name, heed)
    this.#rest()
  }

  #ears() {
    return [
      ["message:reply", this.#reply],
      ["message:edit", this.#edit],
      ["message:delete", this.#delete],
      ["outbox:back", this.#back],
      ["outbox:whispered", this.#whisper],
      ["room:said", this.#told],
    ]
  }

  get #kept() {
    return `draft:${this.dataset.me}:${this.dataset.room}`
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────

  #typed = () => {
    this.#waiting = false
    this.#keep()
    this.#count()
    this.#tell("")
    this.#offer()
    if (this.#text.value.trim() === "") return this.#rest()
    if (this.#mode.kind === "edit" || Date.now() - this.#typedAt < TYPING_EVERY_MS) return
    if (say({ event: "typing", room: this.dataset.room })) this.#typedAt = Date.now()
  }

  #rest = () => {
    if (this.#typedAt) say({ event: "stop_typing", room: this.dataset.room })
    this.#typedAt = 0
  }

  #keep() {
    if (this.#mode.kind === "edit") return
    if (this.#text.value) localStorage.setItem(this.#kept, this.#text.value)
    else localStorage.removeItem(this.#kept)
  }

  #count() {
    return showLeft(this.querySelector(".left"), this.#text.value)
  }

  #put(text) {
    this.#text.value = text
    this.#keep()
    this.#count()
  }

  #key = (event) => {
    if (event.isComposing) return
    if (this.#choosing(event)) return event.preventDefault()
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault()
      this.#form.requestSubmit()
    } else if (event.key === "Escape" && this.#mode.kind !== "say") {
      event.preventDefault()
      this.#plain()
    } else if (event.key === "ArrowUp" && this.#text.value === "" && !event.altKey) {
      event.preventDefault()
      const last = [...document.querySelectorAll(".log > .message.mine:not(.gone)")].at(-1)
      last?.dispatchEvent(new CustomEvent("message:edit", { bubbles: true, detail: { message: last } }))
    }
  }

  #submit = (event) => {
    event.preventDefault()
    const content = this.#text.value
    const saying = this.#mode.kind !== "edit"
    if (saying && this.#pictures && !this.#pictures.ready) {
      this.#waiting = true
      return this.#tell("A picture is still on its way. It is sent as soon as that is here.")
    }
    const withPictures = saying ? (this.#pictures?.size ?? 0) > 0 : this.#mode.pictures
    if (content.trim() === "" && !withPictures) return
    if (this.#count() < 0) return this.#tell(this.querySelector(".left").textContent)
    this.#tell("")
    this.querySelector(".whisper").hidden = true
    this.#rest()
    if (this.#mode.kind === "edit") return this.#change(this.#mode.id, content)
    const replyTo = this.#mode.kind === "reply" ? this.#mode.id : undefined
    const pictures = withPictures ? this.#pictures.take() : undefined
    this.#put("")
    this.#plain()
    this.dispatchEvent(new CustomEvent("composer:send", { bubbles: true, detail: { room: this.dataset.room, content, replyTo, pictures } }))
  }

  // The last picture is here: what waited for it goes out.
  #arrived = () => {
    if (!this.#waiting || !this.#pictures.ready) return
    this.#waiting = false
    this.#form.requestSubmit()
  }

  get #pictures() {
    return this.querySelector("neo-attach")
  }

  async #change(id, content) {
    this.#text.readOnly = true
    const answer = await ask({ event: "edit_message", room: this.dataset.room, id, content })
    this.#text.readOnly = false
    if (!answer) return this.#tell("The line is down. Your change is still here: send it again once the line is back.")
    if (answer.event === "error") return this.#tell(answer.message)
    this.#plain()
  }

  // ── replying, editing, deleting ──────────────────────────────────────────────────────────────

  #reply = ({ detail: { message } }) => {
    this.#plain()
    const words = message.querySelector(".words")?.textContent.trim().replace(/\s+/g, " ") ?? ""
    this.#regard({ kind: "reply", id: Number(message.dataset.id) }, `Answering ${message.dataset.user}: ${words}`)
  }

  #edit = async ({ detail: { message } }) => {
    if (!message.classList.contains("mine")) return
    const id = Number(message.dataset.id)
    const response = await fetch(`/rooms/${this.dataset.room}/messages/${id}`, { headers: { accept: "application/json" } }).catch(() => null)
    if (!response?.ok) return this.#tell("What you said can't be fetched just now. Try again in a moment.")
    const { content, pictures } = (await response.json()).message
    if (this.#mode.kind !== "edit") this.#before = this.#text.value
    this.#regard({ kind: "edit", id, pictures: Boolean(pictures) }, "Changing what you said. Everybody in the room can see what it said before.")
    this.#text.value = content
    this.#count()
    this.#text.setSelectionRange(content.length, content.length)
  }

  #delete = ({ detail: { message } }) => {
    const dialog = this.querySelector("dialog")
    dialog.dataset.id = message.dataset.id
    dialog.querySelector(".quote").textContent = message.querySelector(".words")?.textContent.trim() ?? ""
    dialog.returnValue = ""
    dialog.addEventListener("close", () => dialog.returnValue === "delete" && this.#remove(Number(dialog.dataset.id)), { once: true })
    dialog.showModal()
  }

  async #remove(id) {
    const answer = await ask({ event: "delete_message", room: this.dataset.room, id })
    if (!answer) this.#tell("The line is down, so it could not be deleted. Try again once it is back.")
    else if (answer.event === "error") this.#tell(answer.message)
  }

  #regard(mode, text) {
    this.#mode = mode
    const line = this.querySelector(".regarding")
    line.dataset.mode = mode.kind
    line.hidden = false
    line.querySelector("span").textContent = text
    this.#text.focus()
  }

  #plain() {
    if (this.#mode.kind === "edit") {
      this.#mode = { kind: "say" }
      this.#put(this.#before)
    }
    this.#mode = { kind: "say" }
    this.querySelector(".regarding").hidden = true
  }

  // What was refused comes back here, unless something else stands here by now.
  #back = (event) => {
    const { content, replyTo, pictures, refused, politely } = event.detail
    if (refused) this.#tell(refused)
    if (politely && (this.#text.value !== "" || this.#mode.kind !== "say" || this.#pictures?.size)) return
    event.preventDefault()
    const rest = this.#text.value && this.#mode.kind !== "edit" ? `\n${this.#text.value}` : ""
    this.#plain()
    this.#put(content + rest)
    this.#pictures?.put(pictures)
    const quoted = replyTo && document.getElementById(`message-${replyTo}`)
    if (quoted) this.#reply({ detail: { message: quoted } })
    else this.#text.focus()
  }

  // What a command answered to oneself alone; the server's own fragment.
  #whisper = ({ detail: { html } }) => {
    const line = this.querySelector(".whisper")
    line.replaceChildren(...parse(html).body.childNodes)
    line.hidden = line.textContent.trim() === ""
  }

  #told = ({ detail: { message } }) => this.#tell(message)

  #tell(message) {
    tell(this.querySelector(".told"), message)
  }

  #press = ({ target }) => {
    if (target.closest(".regarding button")) {
      this.#plain()
      this.#text.focus()
    }
    const option = target.closest("[role=option]")
    if (option) this.#complete(option)
  }

  // ── commands ─────────────────────────────────────────────────────────────────────────────────

  #offer() {
    const list = this.querySelector(".commands")
    if (!list) return
    const begun = /^\/([a-z0-9-]*)$/i.exec(this.#text.value)
    for (const option of list.children) option.hidden = !begun || !option.dataset.name.startsWith(begun[1].toLowerCase())
    list.hidden = this.#options().length === 0
    this.#text.setAttribute("aria-expanded", String(!list.hidden))
    this.#choose(list.hidden ? -1 : 0)
  }

  #options() {
    return [...this.querySelectorAll(".commands > :not([hidden])")]
  }

  #choose(nth) {
    this.#chosen = nth
    this.#options().forEach((option, at) => option.setAttribute("aria-selected", String(at === nth)))
    const option = this.#options()[nth]
    if (option) this.#text.setAttribute("aria-activedescendant", option.id)
    else this.#text.removeAttribute("aria-activedescendant")
  }

  // Whether a key chose among the commands.
  #choosing({ key, shiftKey }) {
    const list = this.querySelector(".commands")
    if (!list || list.hidden) return false
    const options = this.#options()
    if (key === "ArrowDown") this.#choose((this.#chosen + 1) % options.length)
    else if (key === "ArrowUp") this.#choose((this.#chosen + options.length - 1) % options.length)
    else if (key === "Escape") list.hidden = true
    else if (key === "Tab" && !shiftKey) this.#complete(options[this.#chosen])
    else if (key === "Enter" && this.#text.value !== `/${options[this.#chosen].dataset.name}`) this.#complete(options[this.#chosen])
    else return false
    return true
  }

  #complete(option) {
    this.#put(`/${option.dataset.name} `)
    this.#offer()
    this.#text.focus()
  }
}

customElements.define("neo-composer", NeoComposer)
