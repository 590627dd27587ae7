import { show } from "../face.js"
import { gist, stamp } from "./words.js"

/** Frames that come together are heeded together. */
const SOON_MS = 120

// <neo-dms data-at data-open data-previews?>: those one writes with, newest first, with a dot where something is unread. With
// `data-previews` also the beginning of what was said last, opened on this device; else no key is needed for it. Asks anew when
// something came, and when the line is back.
class NeoDms extends HTMLElement {
  #timer = null
  #turn = 0

  connectedCallback() {
    for (const [name, heed] of this.#ears()) document.addEventListener(name, heed)
    if (this.dataset.previews !== undefined) this.#soon()
  }

  disconnectedCallback() {
    for (const [name, heed] of this.#ears()) document.removeEventListener(name, heed)
    clearTimeout(this.#timer)
    this.#turn++
  }

  #ears() {
    return [
      ["live:dm_unread", this.#mark],
      ["live:dm_message", this.#soon],
      ["live:dm_deleted", this.#soon],
      ["live:dm_changed", this.#soon],
      ["live:refreshed", this.#soon],
      ["dm:state", this.#opened],
    ]
  }

  #mark = ({ detail: { with: name, unread } }) => {
    const link = this.querySelector(`a[data-with="${CSS.escape(name)}"]`)
    if (link) this.#dot(link, unread)
    else if (unread) this.#soon()
  }

  #dot(link, isUnread) {
    link.classList.toggle("unread", Boolean(isUnread))
    link.querySelector(".dot").hidden = !isUnread
  }

  #opened = ({ detail: { state } }) => {
    if (state === "ready" && this.dataset.previews !== undefined) this.#soon()
  }

  #soon = () => {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#renew(), SOON_MS)
  }

  async #renew() {
    const turn = ++this.#turn
    const conversations = await (this.dataset.previews === undefined ? listed() : opened())
    if (!conversations || turn !== this.#turn) return
    for (const list of this.querySelectorAll("ul[data-state]")) this.#fill(list, conversations)
    this.dispatchEvent(new CustomEvent("dm:listed", { bubbles: true }))
  }

  // The list of those in its states ("open asked", "request"), each line kept that is there already.
  #fill(list, conversations) {
    const states = list.dataset.state.split(" ")
    const shown = conversations.filter((one) => states.includes(one.state))
    const lines = shown.map((one) => {
      const line = list.querySelector(`:scope > li:has(a[data-with="${CSS.escape(one.with)}"])`) ?? this.#line()
      this.#write(line, one)
      return line
    })
    const focused = document.activeElement
    for (const line of [...list.children]) if (!lines.includes(line)) line.remove()
    lines.forEach((line, at) => {
      if (list.children[at] !== line) list.insertBefore(line, list.children[at] ?? null)
    })
    if (this.contains(focused)) focused.focus({ preventScroll: true })
    const part = list.closest("[data-part]")
    if (part) {
      part.querySelector(".without").hidden = lines.length > 0
      if (part.dataset.part === "request") part.hidden = lines.length === 0
    }
  }

  #line() {
    return this.querySelector("template").content.firstElementChild.cloneNode(true)
  }

  #write(line, { with: name, colour, avatar, at, unread, muted, blocked, state, preview }) {
    const link = line.querySelector("a")
    link.href = this.dataset.at + encodeURIComponent(name) + (this.dataset.hash ?? "")
    link.dataset.with = name
    link.querySelector(".name").textContent = name
    show(link.querySelector(".avatar"), name, colour, avatar)
    this.#dot(link, unread && !muted)
    const mark = link.querySelector(".tag")
    const word = blocked ? "blocked" : muted ? "muted" : state === "asked" ? "asked" : state === "request" && this.dataset.previews === undefined ? "asks" : ""
    mark.textContent = word
    mark.hidden = !word
    if (this.dataset.open === name) link.ariaCurrent = "page"
    else link.ariaCurrent = null
    const time = link.querySelector("time")
    if (time && at) stamp(time, at, true)
    const said = link.querySelector(".preview")
    if (said) said.textContent = preview ? (preview.mine ? "you: " : "") + previewOf(preview) : ""
  }
}

function previewOf({ text, files, deleted, alarm }) {
  if (alarm && !text) return "a message with which something is wrong"
  if (!text && !deleted && files > 0) return files === 1 ? "a file" : `${files} files`
  return gist({ text, deleted })
}

// As the server lists them; nothing while it doesn't answer.
async function listed() {
  const response = await fetch("/dm", { headers: { accept: "application/json" } }).catch(() => null)
  if (!response?.ok) return null
  const answer = await response.json().catch(() => null)
  if (!Array.isArray(answer?.conversations)) return null
  return answer.conversations.filter((one) => typeof one?.with === "string").map((one) => ({ ...one, unread: one.last_seq > one.read_seq && !one.blocked }))
}

// With what was said last, where this device can open it.
async function opened() {
  const { ready, refused, state } = await import("./session.js")
  if ((await state()).state !== "ready") return listed()
  return (await ready()).conversations().catch(refused)
}

customElements.define("neo-dms", NeoDms)
