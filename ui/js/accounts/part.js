import { morph, parse } from "../morph.js"
import { fieldsOf, send } from "../send.js"

// <neo-part> around a part of the settings whose forms change that part and nothing else: they are sent from where one is,
// and the part is put in place of itself.
class NeoPart extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this.#submit)
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
  }

  #submit = async event => {
    const form = event.target
    if (!new URL(form.action).pathname.startsWith("/settings/")) return
    event.preventDefault()
    const fields = fieldsOf(form, event.submitter)
    const { html } = await send(form.action, fields)
    // What went wrong is said in the part, or else on the page that the form leads to without this script.
    if (!html) return form.submit()
    morph(this.firstElementChild, parse(html).body.firstElementChild)
    if (!this.contains(document.activeElement)) this.querySelector("h2").focus()
    const unread = document.querySelector("#notices .title .dot") !== null
    document.dispatchEvent(new CustomEvent("settings:unread", { detail: { unread } }))
  }
}

customElements.define("neo-part", NeoPart)
