import { add, elementsOf, morph, parse } from "./morph.js"
import { fieldsOf, get, send } from "./send.js"

const PREVIEW_WAIT_MS = 300

// <neo-drawer>: what can be added, and the settings of one module or of oneself. Everything in it is a plain link or form;
// with a script it opens and saves in place, searches as one types, and previews settings before they are kept.
class NeoDrawer extends HTMLElement {
  #timer = null
  #preview = null

  connectedCallback() {
    this.addEventListener("input", this.#typed)
    this.addEventListener("submit", this.#submit)
    this.addEventListener("click", this.#follow)
    document.addEventListener("click", this.#set)
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#typed)
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("click", this.#follow)
    document.removeEventListener("click", this.#set)
    clearTimeout(this.#timer)
    this.#preview?.abort()
  }

  #typed = ({ target }) => {
    if (target.matches("[name=q]")) return this.#search(target.value)
    const form = target.closest("form[data-preview]")
    if (!form) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#show(form), PREVIEW_WAIT_MS)
  }

  #search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
    const picks = [...this.querySelectorAll(".pick")]
    for (const pick of picks) {
      const text = pick.textContent.toLowerCase()
      pick.hidden = !wanted.every((word) => text.includes(word))
    }
    const none = this.querySelector("[data-none]")
    if (none) none.hidden = picks.some((pick) => !pick.hidden)
  }

  async #show(form) {
    const { ok, html } = await send(form.dataset.preview, fieldsOf(form))
    const preview = this.querySelector("#preview")
    if (ok && preview) morph(preview, parse(html).getElementById("preview"))
  }

  #submit = async (event) => {
    const form = event.target
    if (form.method !== "post" || form.matches("[data-plain]")) return
    event.preventDefault()
    const { ok, html, message } = await send(form.action, fieldsOf(form, event.submitter))
    if (!ok && html) return this.#exchange(html)
    if (!ok) return this.#say(message)
    this.#apply(form, html)
  }

  // What was changed comes back as fragments, each with the id of what it takes the place of.
  async #apply(form, html) {
    for (const fresh of elementsOf(parse(html))) {
      if (fresh.localName === "neo-module") add(document.getElementById("wall-grid"), [fresh])
      else if (document.getElementById(fresh.id)) morph(document.getElementById(fresh.id), fresh)
    }
    const added = form.matches("[data-add]") && parse(html).querySelector("neo-module")
    this.#say(added ? `${added.dataset.name} is on your wall.` : "Saved.")
    if (!added) return
    const module = document.getElementById(added.id)
    document.querySelector("#wall-grid > .empty")?.remove()
    module?.scrollIntoView({ block: "nearest" })
    await this.#open(`${location.pathname}?edit=1&module=${added.id.replace("module-", "")}`)
  }

  #follow = (event) => {
    const link = event.target.closest("a[href^='?']")
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    this.#open(link.href)
  }

  // "set" in a module's title bar stands outside the drawer.
  #set = (event) => {
    const link = event.target.closest("a[data-set]")
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return
    event.preventDefault()
    this.#open(link.href)
  }

  async #open(address) {
    const page = parse(await get(address, "text/html"))
    const fresh = page.getElementById("drawer")
    if (!fresh) return location.assign(address)
    history.replaceState(null, "", address)
    await bring(page)
    morph(document.getElementById("drawer"), fresh)
    const set = this.querySelector("#set")
    if (!set) return
    set.scrollIntoView({ block: "nearest" })
    set.querySelector("h2")?.focus()
  }

  #exchange(html) {
    for (const fresh of elementsOf(parse(html))) {
      const old = document.getElementById(fresh.id)
      if (old) morph(old, fresh)
    }
    const bad = this.querySelector("[aria-invalid=true]")
    bad?.focus()
    this.#say("Please look at this again.")
  }

  #say(text) {
    document.getElementById("said").textContent = text
  }
}

// What a tab needs in the head and this page has not: its sheets, loaded before it is shown, and its modules.
async function bring(page) {
  const has = (what, address) => [...document.head.querySelectorAll(what)].some((one) => (one.href || one.src) === address)
  const sheets = [...page.head.querySelectorAll("link[rel=stylesheet]")].filter((link) => !has("link[rel=stylesheet]", link.href))
  const modules = [...page.head.querySelectorAll("script[type=module]")].filter((script) => !has("script", script.src))
  const loaded = sheets.map((link) => new Promise((done) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: link.href, onload: done, onerror: done })
    document.head.append(sheet)
  }))
  modules.forEach((script) => import(script.src))
  await Promise.all(loaded)
}

customElements.define("neo-drawer", NeoDrawer)
