import { morph, parse } from "../morph.js"
import { fieldsOf, get, send } from "../send.js"
import { uploadShown } from "./upload.js"

// <neo-library>: everything in it is a plain form; with a script an upload shows how far it is and goes on after a broken line,
// and words are kept and things deleted in place.
class NeoLibrary extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this.#submit)
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
  }

  #submit = async (event) => {
    const form = event.target
    event.preventDefault()
    if (form.matches("[data-upload]")) return this.#upload(form)
    if (form.matches("[data-keep-item]")) return this.#keep(form, event.submitter)
    if (form.matches("[data-delete]")) return this.#delete(form)
    form.submit()
  }

  async #upload(form) {
    const button = form.querySelector("button:not([data-cancel])")
    const file = form.elements.file.files[0]
    if (!file) return
    button.disabled = true
    const { ok, cancelled, message } = await uploadShown(form, file, { alt: form.elements.alt.value.trim() })
    button.disabled = false
    if (cancelled) return
    this.#say(form, ok ? "ok" : "bad", ok ? "It is in your library." : message)
    if (!ok) return
    form.reset()
    await this.#refresh()
  }

  // What came in stands first: the page says it, as it does without a script.
  async #refresh() {
    const page = parse(await get(location.href, "text/html"))
    for (const id of ["media-list", "media-none", "stored"]) {
      const [old, fresh] = [document.getElementById(id), page.getElementById(id)]
      if (old && fresh) morph(old, fresh)
      else old?.remove()
    }
    const [old, fresh] = [document.querySelector(".stored"), page.querySelector(".stored")]
    if (old && fresh) morph(old, fresh)
  }

  #say(form, kind, sentence) {
    form.querySelector(":scope > .notice")?.remove()
    const notice = document.createElement("p")
    notice.className = `notice ${kind}`
    notice.setAttribute("role", kind === "ok" ? "status" : "alert")
    notice.textContent = sentence
    form.prepend(notice)
  }

  async #keep(form, submitter) {
    const { ok, html, message } = await send(form.action, fieldsOf(form, submitter))
    const item = form.closest("li")
    if (ok) morph(item, parse(html).querySelector("li"))
    const said = document.getElementById(item.id)?.querySelector("[data-said]")
    if (said) said.textContent = ok ? "Kept." : message
  }

  async #delete(form) {
    const { ok, message } = await send(form.action, [])
    const item = form.closest("li")
    if (!ok) {
      item.querySelector("[data-said]").textContent = message
      return
    }
    const next = item.nextElementSibling ?? item.previousElementSibling
    item.remove()
    next?.querySelector("textarea, button")?.focus()
    await this.#refresh()
  }
}

customElements.define("neo-library", NeoLibrary)
