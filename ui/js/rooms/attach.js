import { upload } from "../media/upload.js"

/** Pictures of one message. */
const MOST = 4

// <neo-attach data-room data-me>: the pictures that go with a message. They are chosen, dropped or pasted; each is uploaded at once,
// described, and can be taken off. What is up outlives a reload. The composer asks for `ready`, `ids` and `take`.
class NeoAttach extends HTMLElement {
  #items = [] // { key, name, share, id, url, alt, error, stop }
  #last = 0

  connectedCallback() {
    this.addEventListener("click", this.#click)
    this.addEventListener("input", this.#typed)
    this.addEventListener("change", this.#changed)
    this.#form.addEventListener("paste", this.#paste)
    this.#pane.addEventListener("dragover", this.#over)
    this.#pane.addEventListener("drop", this.#drop)
    this.put(JSON.parse(localStorage.getItem(this.#kept) ?? "[]"))
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#click)
    this.removeEventListener("input", this.#typed)
    this.removeEventListener("change", this.#changed)
    this.#form?.removeEventListener("paste", this.#paste)
    this.#pane?.removeEventListener("dragover", this.#over)
    this.#pane?.removeEventListener("drop", this.#drop)
    for (const { stop } of this.#items) stop?.abort()
  }

  /** Whether nothing is still on its way. */
  get ready() {
    return this.#items.every(({ id, error }) => id || error)
  }

  /** How many are there. */
  get size() {
    return this.#items.filter(({ id }) => id).length
  }

  /** Hands over what is there: { id, url, alt, name } each. */
  take() {
    const taken = this.#items.filter(({ id }) => id).map(({ id, url, alt, name }) => ({ id, url, alt, name }))
    this.#items = []
    this.#show()
    return taken
  }

  /** Puts back what was handed over. */
  put(pictures) {
    for (const picture of pictures ?? []) {
      if (this.#items.length < MOST && !this.#items.some(({ id }) => id === picture.id)) this.#items.push({ key: ++this.#last, ...picture })
    }
    this.#show()
  }

  get #form() {
    return this.closest("form")
  }

  get #pane() {
    return this.closest(".pane")
  }

  get #kept() {
    return `pictures:${this.dataset.me}:${this.dataset.room}`
  }

  #click = ({ target }) => {
    const button = target.closest("button")
    if (button?.matches("[data-add]")) this.querySelector("[type=file]").click()
    else if (button?.matches("[data-off]")) this.#off(button)
  }

  #changed = ({ target }) => {
    if (target.matches("[type=file]")) {
      this.#add([...target.files])
      target.value = ""
    } else if (target.matches("[data-alt]")) this.#describe(target)
  }

  // A name that is typed stays typed, whatever comes in meanwhile.
  #typed = (event) => {
    const item = this.#of(event.target)
    if (!item) return
    event.stopPropagation()
    item.alt = event.target.value
    this.#keep()
  }

  #paste = (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter(({ type }) => type.startsWith("image/"))
    if (files.length === 0) return
    event.preventDefault()
    this.#add(files)
  }

  #over = (event) => {
    if ([...event.dataTransfer.items].some(({ kind }) => kind === "file")) event.preventDefault()
  }

  #drop = (event) => {
    if (event.dataTransfer.files.length === 0) return
    event.preventDefault()
    this.#add([...event.dataTransfer.files])
  }

  #add(files) {
    const room = MOST - this.#items.length
    this.#say(files.length > room ? `A message has at most ${MOST} pictures.` : "")
    for (const file of files.slice(0, room)) this.#upload(file)
  }

  async #upload(file) {
    const item = { key: ++this.#last, name: file.name, share: 0, alt: "", stop: new AbortController() }
    this.#items.push(item)
    this.#show()
    const { ok, cancelled, media, message } = await upload(file, {
      passing: true,
      signal: item.stop.signal,
      progress: (share) => this.#progress(item, share),
      waiting: (sentence) => this.#say(sentence),
    })
    if (cancelled || !this.#items.includes(item)) return
    if (ok && media.kind === "image") {
      Object.assign(item, { id: media.id, url: media.picture.small, stop: null })
      this.#say("")
    } else {
      this.#items = this.#items.filter((one) => one !== item)
      this.#say(ok ? "Only pictures go with a message. The sound is in your library." : `${file.name}: ${message}`)
    }
    this.#show()
    if (item.id && item.alt) this.#describe(this.querySelector(`[data-key="${item.key}"] [data-alt]`))
    this.dispatchEvent(new CustomEvent("attach:ready", { bubbles: true }))
  }

  #progress(item, share) {
    item.share = share
    const bar = this.querySelector(`[data-key="${item.key}"] progress`)
    if (bar) bar.value = share * 100
  }

  async #describe(field) {
    const item = this.#of(field)
    if (!item?.id) return
    const response = await fetch(`/library/${item.id}`, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams({ alt: field.value.trim() }),
    }).catch(() => null)
    if (!response?.ok) this.#say("What it shows could not be kept just now. Change it again in a moment.")
  }

  #off(button) {
    const item = this.#of(button)
    item.stop?.abort()
    this.#items = this.#items.filter((one) => one !== item)
    this.#say("")
    this.#show()
    const next = this.querySelector("[data-off]") ?? this.querySelector("[data-add]")
    next.focus()
    // Sent for this message alone, it goes with it; one that is used elsewhere stays.
    if (item.id) fetch(`/library/${item.id}/discard`, { method: "POST", headers: { accept: "application/json" } }).catch(() => {})
  }

  #of(element) {
    const key = Number(element.closest("[data-key]")?.dataset.key)
    return this.#items.find((item) => item.key === key)
  }

  #say(sentence) {
    this.querySelector("[data-said]").textContent = sentence
  }

  #keep() {
    const pictures = this.#items.filter(({ id }) => id).map(({ id, url, alt, name }) => ({ id, url, alt, name }))
    if (pictures.length > 0) localStorage.setItem(this.#kept, JSON.stringify(pictures))
    else localStorage.removeItem(this.#kept)
  }

  #show() {
    this.#keep()
    const list = this.querySelector("[data-list]")
    const template = this.querySelector("template")
    const old = new Map([...list.children].map((line) => [Number(line.dataset.key), line]))
    const lines = this.#items.map((item) => {
      const line = old.get(item.key) ?? template.content.cloneNode(true).firstElementChild
      line.dataset.key = item.key
      const picture = line.querySelector("img")
      picture.hidden = !item.url
      if (item.url && picture.getAttribute("src") !== item.url) picture.src = item.url
      const bar = line.querySelector("progress")
      bar.hidden = Boolean(item.id)
      bar.value = (item.share ?? 0) * 100
      bar.ariaLabel = `How far ${item.name} has come`
      const alt = line.querySelector("[data-alt]")
      alt.ariaLabel = `What ${item.name} shows`
      if (document.activeElement !== alt) alt.value = item.alt ?? ""
      line.querySelector("[data-off]").ariaLabel = `Take ${item.name} off`
      return line
    })
    for (const [key, line] of old) if (!this.#items.some((item) => item.key === key)) line.remove()
    lines.forEach((line, nth) => list.children[nth] !== line && list.insertBefore(line, list.children[nth] ?? null))
    list.hidden = lines.length === 0
  }
}

customElements.define("neo-attach", NeoAttach)
