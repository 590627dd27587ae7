import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { fileName, size } from "./words.js"

/** The kinds of picture that are ever shown; all else is offered for saving. What a file is says what is in it, not what it calls itself. */
const PICTURES = new Set(["image/png", "image/jpeg", "image/webp", "image/gif"])
/** Larger pictures are fetched when they are asked for. */
const LAZY_MOST_BYTES = 4 * 1024 * 1024

// <neo-dm-file data-with data-key data-n>: one file of a message. A picture is fetched and opened once it comes into sight, and shows
// larger in its place when it is pressed; any other file is fetched when it is asked for, and saved.
class NeoDmFile extends HTMLElement {
  #file = null
  #address = null // of the opened picture
  #seen = null
  #isBusy = false

  connectedCallback() {
    this.addEventListener("click", this.#press)
    if (this.#file) this.#watch()
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    this.#seen?.disconnect()
    if (this.#address) URL.revokeObjectURL(this.#address)
    this.#address = null
  }

  /** Which file it is: the nth of an item's `files`. What is not sent yet is nowhere to be fetched from. */
  show(file, { key, pending }, n) {
    if (this.#file?.id === file.id && this.dataset.key === key) return
    this.#file = file
    Object.assign(this.dataset, { key, n })
    const name = fileName(file.name)
    this.querySelector(".name").textContent = name
    this.querySelector(".size").textContent = size(file.size)
    this.querySelector(".save").setAttribute("aria-label", `Save ${name}`)
    const isPicture = PICTURES.has(file.type) && !pending
    this.classList.toggle("is-picture", isPicture)
    const frame = this.querySelector(".picture")
    frame.hidden = !isPicture
    if (!isPicture) return
    frame.setAttribute("aria-label", `Picture ${name}: show it larger`)
    // The room that it takes is kept before it is there, so that nothing jumps.
    if (file.width > 0 && file.height > 0) {
      frame.style.setProperty("--across", Math.min(file.width, 10_000))
      frame.style.setProperty("--down", Math.min(file.height, 10_000))
    }
    if (this.isConnected) this.#watch()
  }

  #watch() {
    if (!this.classList.contains("is-picture") || this.#file.size > LAZY_MOST_BYTES || this.#address) return
    this.#seen?.disconnect()
    this.#seen = new IntersectionObserver((seen) => seen.some(({ isIntersecting }) => isIntersecting) && this.#open(), { rootMargin: "300px" })
    this.#seen.observe(this)
  }

  #press = ({ target }) => {
    if (target.closest(".picture")) this.#enlarge()
    if (target.closest(".save")) this.#save()
  }

  async #fetch() {
    if (this.#isBusy) return null
    this.#isBusy = true
    this.#tell("")
    const progress = this.querySelector("progress")
    try {
      const talk = await conversation(this.closest("neo-dm").dataset.with)
      const item = talk.items.find(({ key }) => key === this.dataset.key)
      if (!item) return null
      return await talk.file(item, Number(this.dataset.n), (share) => {
        progress.hidden = share >= 1
        progress.value = share
      })
    } catch (error) {
      this.#tell(refusal(error, "The line is down. Try again once it is back."))
      return null
    } finally {
      this.#isBusy = false
      progress.hidden = true
    }
  }

  async #open() {
    this.#seen?.disconnect()
    if (this.#address) return
    const blob = await this.#fetch()
    if (!blob || !this.isConnected) return
    if (!PICTURES.has(blob.type)) return this.#tell("This is no picture that can be shown. You can save it.")
    const address = URL.createObjectURL(blob)
    const image = new Image()
    image.alt = ""
    image.decoding = "async"
    image.src = address
    try {
      await image.decode()
    } catch {
      URL.revokeObjectURL(address)
      return this.#tell("This is no picture that can be shown. You can save it.")
    }
    this.#address = address
    this.querySelector(".picture").replaceChildren(image)
    this.classList.add("is-open")
  }

  async #enlarge() {
    if (!this.#address) await this.#open()
    if (!this.#address) return
    const isLarge = this.classList.toggle("is-large")
    const frame = this.querySelector(".picture")
    frame.setAttribute("aria-expanded", String(isLarge))
    frame.scrollIntoView({ block: "nearest" })
  }

  async #save() {
    const blob = await this.#fetch()
    if (!blob) return
    // As bytes, whatever it calls itself: no browser opens it on this site.
    const address = URL.createObjectURL(new Blob([blob], { type: "application/octet-stream" }))
    const link = document.createElement("a")
    link.href = address
    link.download = fileName(this.#file.name)
    link.click()
    setTimeout(() => URL.revokeObjectURL(address), 60_000)
  }

  #tell(message) {
    const line = this.querySelector(".why")
    line.textContent = message
    line.hidden = !message
  }
}

customElements.define("neo-dm-file", NeoDmFile)
