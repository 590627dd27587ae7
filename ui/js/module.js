import { parse, patch } from "./morph.js"
import { fieldsOf, get, send } from "./send.js"

const SOONEST_MS = 5_000
const LATEST_MS = 3_600_000

// <neo-module>: one plugin on a wall. Sends what is pressed in its view without leaving the page, shows what was refused
// above what was typed, and asks for the view again when it has had its time.
class NeoModule extends HTMLElement {
  #observer = new MutationObserver(() => this.#bind())
  #resize = new ResizeObserver(() => this.#reach())
  #bound = null
  #timer = null

  connectedCallback() {
    this.#observer.observe(this, { childList: true, attributes: true, attributeFilter: ["data-until"] })
    document.addEventListener("visibilitychange", this.#renewIfDue)
    this.#bind()
  }

  disconnectedCallback() {
    this.#observer.disconnect()
    this.#resize.disconnect()
    document.removeEventListener("visibilitychange", this.#renewIfDue)
    this.#bound?.removeEventListener("submit", this.#submit)
    this.#bound = null
    clearTimeout(this.#timer)
  }

  // The view may have been exchanged, with its shadow root.
  #bind() {
    const body = this.querySelector(":scope > .body")
    const root = body?.shadowRoot ?? null
    if (root !== this.#bound) {
      this.#bound?.removeEventListener("submit", this.#submit)
      root?.addEventListener("submit", this.#submit)
      this.#bound = root
      this.#resize.disconnect()
      if (body) this.#resize.observe(body)
    }
    this.#schedule()
  }

  #submit = async (event) => {
    event.preventDefault()
    if (this.ariaBusy === "true") return
    const form = event.target
    this.ariaBusy = "true"
    const { ok, html, message } = await send(form.action, fieldsOf(form, event.submitter))
    this.ariaBusy = null
    if (!ok) return this.#refuse(html, message)
    this.querySelector(":scope > .said")?.remove()
    form.reset()
    patch({ target: this.id, mode: "morph", html })
  }

  #refuse(html, message) {
    const said = (html && parse(html).querySelector(".said")) || Object.assign(document.createElement("p"), { className: "said bad", textContent: message })
    said.setAttribute("role", "alert")
    this.querySelector(":scope > .said")?.remove()
    this.querySelector(":scope > .title").after(document.importNode(said, true))
    const field = said.dataset.field && this.#bound?.querySelector(`[name="f-${CSS.escape(said.dataset.field)}"]`)
    field?.focus()
  }

  #schedule() {
    clearTimeout(this.#timer)
    if (!this.dataset.until) return
    const wait = Math.min(Math.max(Number(this.dataset.until) - Date.now(), SOONEST_MS), LATEST_MS)
    this.#timer = setTimeout(() => this.#renew(), wait)
  }

  #renewIfDue = () => {
    if (!document.hidden && this.dataset.until && Number(this.dataset.until) < Date.now()) this.#renew()
  }

  async #renew() {
    if (document.hidden) return
    const html = await get(this.dataset.at)
    if (html && this.isConnected) patch({ target: this.id, mode: "morph", html })
    this.#schedule()
  }

  // What scrolls can be reached with the keyboard.
  #reach() {
    const body = this.querySelector(":scope > .body")
    const scrolls = body && body.scrollHeight > body.clientHeight + 1
    if (!scrolls) return body?.removeAttribute("tabindex")
    body.tabIndex = 0
    body.setAttribute("role", "region")
    body.setAttribute("aria-label", `${this.dataset.name}, scrolls`)
  }
}

customElements.define("neo-module", NeoModule)
