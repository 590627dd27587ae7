import { morph, parse } from "../morph.js"
import { send } from "../send.js"

const WAIT_MS = 1_200
const RETRY_MS = 8_000

// <neo-compose data-drafts="/wall/ana/posts/drafts"> around a form: what is typed is kept as a draft on the server as one goes on, and in the browser
// while the line is down, so that nothing is lost by a closed window, a dead battery or a log-out.
class NeoCompose extends HTMLElement {
  #timer = null
  #saving = null
  #dirty = false
  #sent = false
  #waiting = false

  connectedCallback() {
    this.addEventListener("input", this.#typed)
    this.addEventListener("change", this.#typed)
    this.addEventListener("change", this.#look)
    this.addEventListener("submit", this.#submit)
    this.addEventListener("media:chosen", this.#chosen)
    addEventListener("pagehide", this.#leave)
    document.addEventListener("visibilitychange", this.#hidden)
    this.#offerSlots()
    this.#recover()
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#typed)
    this.removeEventListener("change", this.#typed)
    this.removeEventListener("change", this.#look)
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("media:chosen", this.#chosen)
    removeEventListener("pagehide", this.#leave)
    document.removeEventListener("visibilitychange", this.#hidden)
    clearTimeout(this.#timer)
  }

  get #form() {
    return this.querySelector("form")
  }

  // What the browser kept belongs to one form: a draft's, a post's, or that of a new post of a kind.
  get #key() {
    const value = (name) => this.#form.elements[name]?.value ?? ""
    return `neo-compose ${this.dataset.drafts} ${value("post") || "-"} ${value("draft") || value("kind")}`
  }

  get #fields() {
    return [...new FormData(this.#form)].filter(([, value]) => typeof value === "string")
  }

  #typed = () => {
    this.#dirty = true
    this.#remember()
    this.#schedule(WAIT_MS)
  }

  // What lies behind an address is shown before one links to it.
  #look = async ({ target }) => {
    const shown = this.querySelector("#post-preview")
    if (!target.dataset.look || !shown) return
    shown.replaceChildren()
    if (!target.value || !target.validity.valid) return
    const wanted = target.value
    const { ok, html } = await send(target.dataset.look, { url: wanted })
    const fresh = ok && parse(html).getElementById("post-preview")
    if (fresh && target.value === wanted) morph(this.querySelector("#post-preview"), fresh)
  }

  // A picture brings the words that the library has for it, and room for one more.
  #chosen = ({ target, detail: { id, alt } }) => {
    const slot = target.closest("[data-slot]")
    const words = slot?.querySelector("[name^=alt]")
    if (!words) return
    slot.toggleAttribute("data-empty", !id)
    if (alt && !words.value) words.value = alt
    this.#offerSlots()
    this.#typed()
  }

  #offerSlots() {
    let offered = false
    for (const slot of this.querySelectorAll("[data-slot]")) {
      const empty = slot.hasAttribute("data-empty")
      slot.hidden = empty && offered
      offered ||= empty
    }
  }

  #schedule(wait) {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#save(), wait)
  }

  async #save() {
    if (this.#saving || !this.#dirty || this.#sent) return
    this.#dirty = false
    const before = this.#key
    this.#saving = this.#post().catch(() => null)
    const answer = await this.#saving
    this.#saving = null
    if (!answer) {
      this.#dirty = true
      this.#say("The line is down: kept in this browser, saved when it is back.")
      return this.#schedule(RETRY_MS)
    }
    // The server has looked at it and will not keep it: it says why, and the browser keeps it.
    if (answer.refused) return this.#say(answer.refused)
    if (answer.draft) this.#form.elements.draft.value = answer.draft
    if (!this.#dirty) forget(before)
    this.#say(answer.draft ? "Saved as a draft." : "")
    if (this.#dirty) this.#schedule(WAIT_MS)
  }

  async #post(keepalive = false) {
    const response = await fetch(this.dataset.drafts, { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(this.#fields), keepalive })
    if (response.ok) return response.json()
    const { detail } = await response.json().catch(() => ({}))
    return { refused: detail ?? "That could not be saved as a draft just now. It is kept in this browser." }
  }

  #hidden = () => {
    if (document.visibilityState === "hidden") this.#leave()
  }

  #leave = () => {
    if (!this.#dirty || this.#sent || this.#saving) return
    this.#dirty = false
    this.#post(true).then((answer) => {
      if (answer.draft && this.#form) this.#form.elements.draft.value = answer.draft
    }, () => {
      this.#dirty = true
    })
  }

  // What is not on the server yet goes there first: a form that is lost on its way is no loss then.
  #submit = async (event) => {
    const { target, submitter } = event
    clearTimeout(this.#timer)
    if (this.#dirty || this.#saving) {
      event.preventDefault()
      if (this.#waiting) return
      this.#waiting = true
      while (this.#saving) await this.#saving
      await this.#save()
      this.#waiting = false
      if (this.#dirty) return
      return target.requestSubmit(submitter)
    }
    this.#sent = true
    forget(this.#key)
  }

  #remember() {
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#fields))
    } catch {
      // Private windows and full disks: the server's draft is enough.
    }
  }

  // What was typed while the line was down, and the page closed before it was back.
  #recover() {
    let kept = null
    try {
      kept = JSON.parse(localStorage.getItem(this.#key))
    } catch {
      return
    }
    if (!kept) return
    for (const [name, value] of kept) {
      const field = this.#form.elements[name]
      if (!field || field.type === "hidden" || !("value" in field) || field.value === value) continue
      field.value = value
      this.#dirty = true
    }
    if (!this.#dirty) return forget(this.#key)
    this.#say("This is what you typed last.")
    this.#schedule(WAIT_MS)
  }

  #say(text) {
    this.querySelector("[data-saved]").textContent = text
  }
}

function forget(key) {
  try {
    localStorage.removeItem(key)
  } catch {
    // There was nothing kept, then.
  }
}

customElements.define("neo-compose", NeoCompose)
