import { add, parse } from "../morph.js"
import { get } from "../send.js"
import { uploadShown } from "./upload.js"

/** What the server hasn't taken yet, by the field's name: { file, recorded, sending }. It outlives the field, which comes and goes with the
 *  tabs around it: a recording is nowhere else. */
const unsent = new Map()

/** The field that is on the page now, by its name. */
const shown = new Map()

const unsentOf = (name) => unsent.get(name) ?? []

// Who leaves the page is asked first.
addEventListener("beforeunload", (event) => {
  if ([...unsent.values()].flat().some(({ recorded }) => recorded)) event.preventDefault()
})

// <neo-media-field>: chooses a picture or a sound of one's own, or uploads it. Its value is that of the select in it, which is the
// whole field where there is no script. Fires `media:chosen` with { id, url, width, height, alt }; id is "" for none.
class NeoMediaField extends HTMLElement {
  #select = null
  #dialog = null
  #file = null

  connectedCallback() {
    this.#select = this.querySelector("select")
    this.#dialog = this.querySelector("[data-dialog]")
    this.#file = this.querySelector("[data-file]")
    this.addEventListener("click", this.#click)
    this.#file.addEventListener("change", this.#picked)
    this.#select.addEventListener("change", this.#changed)
    this.addEventListener("recorder:done", this.#recorded)
    shown.set(this.#select.name, this)
    if (this.#select.value) this.#show({ id: this.#select.value, ...this.#addressed() })
    this.#list()
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#click)
    this.#file.removeEventListener("change", this.#picked)
    this.#select.removeEventListener("change", this.#changed)
    this.removeEventListener("recorder:done", this.#recorded)
    this.#dialog.close()
    if (shown.get(this.#select.name) === this) shown.delete(this.#select.name)
    this.#unlist()
  }

  /** The id of what is chosen, or "". */
  get value() {
    return this.#select.value
  }

  #click = ({ target }) => {
    const button = target.closest("button")
    if (!button) return
    if (button.matches("[data-upload]")) this.#file.click()
    else if (button.matches("[data-browse]")) this.#browse()
    else if (button.matches("[data-close]")) this.#dialog.close()
    else if (button.matches("[data-more]")) this.#more(button)
    else if (button.matches("[data-choose]")) this.#chose(button.dataset)
    else if (button.matches("[data-again]")) this.#send(this.#one(button))
    else if (button.matches("[data-drop]")) this.#drop(this.#one(button))
  }

  #picked = () => {
    const [file] = this.#file.files
    if (file) this.#upload({ file, recorded: false })
  }

  #recorded = (event) => {
    event.stopPropagation()
    this.#upload({ file: event.detail.file, recorded: true })
  }

  #upload(one) {
    unsent.set(this.#select.name, [...unsentOf(this.#select.name), one])
    this.#send(one)
  }

  async #send(one) {
    one.sending = true
    const led = this.contains(document.activeElement)
    this.#list()
    const buttons = [...this.querySelectorAll("[data-live] button")]
    buttons.forEach((button) => (button.disabled = true))
    const { ok, cancelled, media, message } = await uploadShown(this, one.file, { passing: "passing" in this.dataset })
    buttons.forEach((button) => (button.disabled = false))
    one.sending = false
    this.#file.value = ""
    // What was picked is on its owner's disk.
    if (ok || (cancelled && !one.recorded)) this.#forget(one)
    // The tab around it may have been left, and come back with another field.
    shown.get(this.#select.name)?.#settled(ok, media, message, led)
  }

  #settled(ok, media, message, led) {
    this.querySelector("[data-told]").textContent = ok ? "" : message
    this.#list()
    // The button that had the focus was off meanwhile, or is gone.
    if (led && document.activeElement === document.body) this.querySelector(ok ? "[data-upload]" : "[data-again], [data-upload]")?.focus()
    if (!ok) return
    const { width, height } = media.picture ?? {}
    this.#choose({ id: media.id, url: media.url, width, height, alt: media.alt, name: media.name })
  }

  #drop(one) {
    this.#forget(one)
    this.#list()
    this.querySelector("[data-told]").textContent = "Thrown away."
    this.querySelector("[data-upload]").focus()
  }

  #forget(one) {
    unsent.set(this.#select.name, unsentOf(this.#select.name).filter((other) => other !== one))
  }

  // Which one a button in the list is about.
  #one(button) {
    const line = button.closest("li")
    return unsentOf(this.#select.name).filter(({ sending }) => !sending)[[...line.parentNode.children].indexOf(line)]
  }

  // Shows what the server didn't take, with a way to send it again and, of a recording, one to keep it.
  #list() {
    this.#unlist()
    const waiting = unsentOf(this.#select.name).filter(({ sending }) => !sending)
    const list = this.querySelector("[data-unsent]")
    const line = this.querySelector("[data-unsent-line]").content.firstElementChild
    for (const { file, recorded } of waiting) {
      const fresh = line.cloneNode(true)
      fresh.querySelector("[data-name]").textContent = file.name
      const link = fresh.querySelector("a")
      link.hidden = !recorded
      if (recorded) Object.assign(link, { href: URL.createObjectURL(file), download: file.name })
      list.append(fresh)
    }
    list.hidden = waiting.length === 0
  }

  #unlist() {
    const list = this.querySelector("[data-unsent]")
    for (const { href } of list.querySelectorAll("a[href]")) URL.revokeObjectURL(href)
    list.replaceChildren()
  }

  async #browse() {
    const place = this.querySelector("[data-choices]")
    place.replaceChildren()
    this.#dialog.showModal()
    add(place, [...parse(await get(`/library?kind=${this.dataset.kind}`)).body.children])
  }

  async #more(button) {
    const page = parse(await get(button.dataset.more))
    button.closest("p").remove()
    this.querySelector(".choices").append(...page.querySelectorAll(".choices > li"))
    const next = page.querySelector("[data-more]")?.closest("p")
    if (next) this.querySelector("[data-choices]").append(next)
  }

  #chose({ choose, url, width, height, alt, name }) {
    this.#dialog.close()
    this.#choose({ id: choose, url, width: Number(width), height: Number(height), alt, name })
  }

  #choose(media) {
    const known = [...this.#select.options].some((option) => option.value === media.id)
    if (!known) this.#select.add(new Option(media.alt || media.name, media.id))
    this.#select.value = media.id
    this.#show(media)
    this.#tell(media)
  }

  #changed = () => {
    const media = { id: this.#select.value, ...this.#addressed() }
    this.#show(media)
    this.#tell(media)
  }

  // What is known of what the select says.
  #addressed() {
    const id = this.#select.value
    const variant = this.dataset.kind === "image" ? "medium" : "sound"
    return { url: id && `/media/${id}/${variant}`, alt: "", name: this.#select.selectedOptions[0]?.text ?? "" }
  }

  #show({ id, url, name, alt }) {
    const place = this.querySelector("[data-chosen]")
    place.hidden = !id
    place.replaceChildren()
    if (!id) return
    if (this.dataset.kind === "image") {
      const picture = new Image()
      picture.src = url
      picture.alt = ""
      place.append(picture)
    } else {
      return this.#play(place, id)
    }
    const words = document.createElement("span")
    words.textContent = alt || name
    place.append(words)
  }

  // A sound shows its waveform and can be heard, as in the library.
  async #play(place, id) {
    const player = parse(await get(`/library/${id}`)).querySelector("neo-player")
    if (this.#select.value === id && player) place.replaceChildren(document.importNode(player, true))
  }

  #tell({ id, url, width, height, alt }) {
    this.dispatchEvent(new CustomEvent("media:chosen", { bubbles: true, detail: { id, url, width, height, alt } }))
  }
}

customElements.define("neo-media-field", NeoMediaField)
