import { showLeft, tell } from "../composing.js"
import { refusal } from "./gates.js"
import { conversation, ready } from "./session.js"
import { fileName, gist, size } from "./words.js"

/** Files of one message, and bytes of one file. */
const FILES_MOST = 8
const FILE_MOST_BYTES = 20 * 1024 * 1024
/** What is typed is kept when one pauses for so long. */
const KEEP_MS = 300
/** While one types it is said so often. */
const TYPING_EVERY_MS = 3_000
/** Pictures that are drawn anew before they are sealed. */
const REDRAWN = new Set(["image/png", "image/jpeg", "image/webp"])

// <neo-dm-composer data-with data-me>: where one writes to the other one. Drafts stay on this device. Sends with Enter, answers,
// edits, attaches files that are chosen, pasted or dropped. What is refused comes back into the box, with the reason.
class NeoDmComposer extends HTMLElement {
  #talk = null
  #client = null
  #form
  #text
  #mode = { kind: "say" } // or { kind: "reply", item } or { kind: "edit", item }
  #before = "" // what was being written when an edit began
  #files = []
  #typedAt = 0
  #isBusy = false
  #timer = null
  #keeping = Promise.resolve()
  #states = this.attachInternals().states // `kept`: what stands here is kept on the device
  #sent = new Set() // texts that this page has given to be sent

  async connectedCallback() {
    this.#form = this.querySelector("form")
    this.#text = this.querySelector("textarea")
    this.#form.addEventListener("submit", this.#submit)
    this.#text.addEventListener("input", this.#typed)
    this.#text.addEventListener("keydown", this.#key)
    this.#text.addEventListener("paste", this.#paste)
    this.#text.addEventListener("blur", this.#rest)
    this.querySelector("input[type=file]").addEventListener("change", this.#choose)
    this.addEventListener("click", this.#press)
    for (const [name, heed] of this.#ears()) document.addEventListener(name, heed)
    this.#count()
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    this.#client = await ready()
    const draft = await talk.draft()
    if (!this.#text.value) this.#text.value = draft
    this.#count()
    talk.addEventListener("peer", this.#stand)
    talk.addEventListener("change", this.#refused)
    this.#stand()
  }

  disconnectedCallback() {
    this.#form.removeEventListener("submit", this.#submit)
    this.#text.removeEventListener("input", this.#typed)
    this.#text.removeEventListener("keydown", this.#key)
    this.#text.removeEventListener("paste", this.#paste)
    this.#text.removeEventListener("blur", this.#rest)
    this.querySelector("input[type=file]").removeEventListener("change", this.#choose)
    this.removeEventListener("click", this.#press)
    for (const [name, heed] of this.#ears()) document.removeEventListener(name, heed)
    this.#rest()
    this.#keep(0)
    this.#talk?.removeEventListener("peer", this.#stand)
    this.#talk?.removeEventListener("change", this.#refused)
    this.#talk = null
  }

  #ears() {
    return [
      ["dm:reply", this.#reply],
      ["dm:edit", this.#edit],
      ["dm:retry", this.#retry],
      ["dm:back", this.#back],
      ["dm:drop", this.#discard],
      ["visibilitychange", this.#hide],
      ["dm:said", this.#told],
      ["dm:shown", this.#stand],
      ["dragover", this.#hover],
      ["drop", this.#drop],
    ]
  }

  // Files go to those who have accepted that one writes to them; the first message asks.
  get #mayAttach() {
    return this.#talk?.peer.state === "open" && this.#talk.items.length > 0
  }

  #stand = () => {
    this.querySelector(".attach").hidden = !this.#mayAttach
    this.querySelector(".metadata").hidden = this.#files.length === 0
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────

  #typed = () => {
    this.#keep()
    this.#count()
    this.#tell("")
    if (this.#text.value.trim() === "") return this.#rest()
    if (this.#mode.kind === "edit" || Date.now() - this.#typedAt < TYPING_EVERY_MS) return
    this.#typedAt = Date.now()
    this.#talk?.typing(true)
  }

  #rest = () => {
    if (this.#typedAt) this.#talk?.typing(false)
    this.#typedAt = 0
    this.#keep(0)
  }

  // On this device, sealed; an edit is no draft.
  #keep(after = KEEP_MS) {
    clearTimeout(this.#timer)
    if (this.#mode.kind === "edit" || !this.#talk) return
    const [talk, text] = [this.#talk, this.#text.value]
    // One after the other: what was typed last is what stays.
    this.#states.delete("kept")
    const keep = () => {
      const kept = this.#keeping.then(() => talk.keepDraft(text)).then(() => this.#keeping === kept && this.#states.add("kept"), logsOut)
      this.#keeping = kept
    }
    if (after === 0) keep()
    else this.#timer = setTimeout(keep, after)
  }

  #hide = () => {
    if (document.visibilityState === "hidden") this.#keep(0)
  }

  #count() {
    return showLeft(this.querySelector(".left"), this.#text.value)
  }

  #put(text) {
    this.#text.value = text
    this.#keep(0)
    this.#count()
  }

  #key = (event) => {
    if (event.isComposing) return
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault()
      this.#form.requestSubmit()
    } else if (event.key === "Escape" && this.#mode.kind !== "say") {
      event.preventDefault()
      this.#plain()
    } else if (event.key === "ArrowUp" && this.#text.value === "" && !event.altKey) {
      event.preventDefault()
      const last = this.#talk?.items.findLast(({ mine, deleted, pending, failed, text }) => mine && !deleted && !pending && !failed && text)
      if (last) this.#edit({ detail: { item: last } })
    }
  }

  // ── sending ──────────────────────────────────────────────────────────────────────────────────

  #submit = async (event) => {
    event.preventDefault()
    const text = this.#text.value
    if (this.#isBusy || !this.#talk || (text.trim() === "" && this.#files.length === 0)) return
    if (this.#count() < 0) return this.#tell(this.querySelector(".left").textContent)
    this.#tell("")
    this.#rest()
    if (this.#mode.kind === "edit") return this.#change(this.#mode.item, text)
    if (!(await this.#recoverable())) return
    const message = { text, files: this.#files, reply: this.#mode.kind === "reply" ? this.#mode.item : undefined }
    this.#files = []
    this.#list()
    this.#put("")
    this.#plain()
    this.#sent.add(text)
    try {
      await this.#talk.send(message)
    } catch (error) {
      this.#giveBack(error, message)
    }
  }

  // The first message asks for a recovery code. Whether one may go on.
  async #recoverable() {
    if (this.#client.recovery) return true
    const detail = { wait: Promise.resolve(true) }
    document.dispatchEvent(new CustomEvent("dm:first", { detail }))
    const goesOn = await detail.wait
    this.#text.focus()
    return goesOn
  }

  async #change(item, text) {
    if (text.trim() === "") return this.#tell("Nothing is left of it. Delete the message instead, if that is what you want.")
    if (text === item.text) return this.#plain()
    const mode = this.#mode
    this.#hold(true)
    try {
      await this.#talk.edit(item.counter, text)
      // By now one may be writing something else.
      if (this.#mode === mode) this.#plain()
    } catch (error) {
      if (this.#mode !== mode) this.#edit({ detail: { item } })
      this.#text.value = text
      this.#tell(refusal(error, "The line is down. Your change is still here: send it again once the line is back."))
    } finally {
      if (this.#mode === mode || this.#mode.kind === "edit") this.#hold(false)
    }
  }

  #hold(isBusy) {
    this.#isBusy = isBusy
    this.#text.readOnly = isBusy
  }

  // Nothing that was typed is lost: it comes back, above whatever stands here by now.
  #giveBack(error, { text, files, reply }) {
    const why = refusal(error, "The line is down. What you wrote is still here.")
    const since = this.#mode.kind === "edit" ? "" : this.#text.value
    this.#plain()
    this.#put(since ? `${text}\n${since}` : text)
    this.#files = [...files, ...this.#files].slice(0, FILES_MOST)
    this.#list()
    if (reply) this.#reply({ detail: { item: reply } })
    this.#tell(why)
  }

  // What the server refused for good comes back by itself, if nothing else stands here by now and no file goes with it; else it waits in
  // the log with the reason.
  #refused = async ({ detail }) => {
    this.#stand()
    const item = this.#talk.items.find(({ key, failed, files, text }) => detail.keys.includes(key) && failed && files.length === 0 && this.#sent.has(text))
    if (!item || this.#text.value !== "" || this.#mode.kind !== "say") return
    this.#sent.delete(item.text)
    this.#put(await this.#talk.discard(item))
    this.#tell(item.failed)
  }

  #retry = ({ detail: { item } }) => this.#talk?.retry(item)

  #discard = ({ detail: { item } }) => this.#talk?.discard(item)

  #back = async ({ detail: { item } }) => {
    const text = await this.#talk.discard(item)
    const since = this.#mode.kind === "edit" ? "" : this.#text.value
    this.#plain()
    this.#put(since ? `${text}\n${since}` : text)
    this.#text.focus()
  }

  // ── replying and editing ─────────────────────────────────────────────────────────────────────

  #reply = ({ detail: { item } }) => {
    this.#plain()
    this.#regard({ kind: "reply", item }, `Answering ${item.mine ? "yourself" : this.dataset.with}: ${gist(item)}`)
  }

  #edit = ({ detail: { item } }) => {
    if (!item.mine) return
    if (this.#mode.kind !== "edit") this.#before = this.#text.value
    this.#regard({ kind: "edit", item }, `Changing what you said. ${this.dataset.with} can see what it said before.`)
    this.#text.value = item.text
    this.#count()
    this.#text.setSelectionRange(item.text.length, item.text.length)
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
    const wasEdit = this.#mode.kind === "edit"
    this.#mode = { kind: "say" }
    if (wasEdit) {
      this.#hold(false)
      this.#put(this.#before)
    }
    this.querySelector(".regarding").hidden = true
  }

  #told = ({ detail: { message } }) => this.#tell(message)

  #tell(message) {
    tell(this.querySelector(".told"), message)
  }

  // ── files ────────────────────────────────────────────────────────────────────────────────────

  #choose = ({ target }) => {
    this.#add([...target.files])
    target.value = ""
    this.#text.focus()
  }

  #paste = (event) => {
    const files = [...event.clipboardData.files]
    if (files.length === 0) return
    event.preventDefault()
    this.#add(files)
  }

  #hover = (event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault()
  }

  #drop = (event) => {
    const files = [...(event.dataTransfer?.files ?? [])]
    if (files.length === 0) return
    event.preventDefault()
    this.#add(files)
    this.#text.focus()
  }

  #add(files) {
    if (!this.#mayAttach) return this.#tell(`Files can be sent once ${this.dataset.with} has accepted that you write.`)
    if (this.#mode.kind === "edit") return this.#tell("A change has no files of its own. Send them in a message.")
    const tooLarge = files.filter((file) => file.size > FILE_MOST_BYTES)
    const empty = files.filter((file) => file.size === 0)
    const fitting = files.filter((file) => file.size > 0 && file.size <= FILE_MOST_BYTES)
    const room = FILES_MOST - this.#files.length
    this.#files.push(...fitting.slice(0, room))
    const why = [
      ...tooLarge.map((file) => `${fileName(file.name)} has ${size(file.size)}: a file may have ${FILE_MOST_BYTES / 1024 / 1024} MiB.`),
      ...empty.map((file) => `${fileName(file.name)} is empty.`),
      ...(fitting.length > room ? [`A message has at most ${FILES_MOST} files: ${fitting.slice(room).map((file) => fileName(file.name)).join(", ")} stayed out.`] : []),
    ]
    this.#tell(why.join(" "))
    this.#list()
  }

  #list() {
    const template = this.querySelector("template")
    const list = this.querySelector(".attached")
    list.replaceChildren(
      ...this.#files.map((file, at) => {
        const line = template.content.firstElementChild.cloneNode(true)
        const name = fileName(file.name)
        line.querySelector(".name").textContent = name
        line.querySelector(".size").textContent = size(file.size)
        line.querySelector(".kind").textContent = REDRAWN.has(file.type) ? "picture, drawn anew" : "as it is"
        const button = line.querySelector("button")
        button.dataset.at = at
        button.setAttribute("aria-label", `Leave ${name} out`)
        return line
      }),
    )
    list.hidden = this.#files.length === 0
    this.#stand()
  }

  #press = ({ target }) => {
    const button = target.closest("button")
    if (button?.matches(".attach")) return this.querySelector("input[type=file]").click()
    if (button?.dataset.at !== undefined) {
      this.#files.splice(Number(button.dataset.at), 1)
      this.#list()
      this.#text.focus()
    }
    if (target.closest(".regarding button")) {
      this.#plain()
      this.#text.focus()
    }
  }
}

// While somebody logs out there is nothing left to keep a draft in.
function logsOut(error) {
  if (error.name !== "InvalidStateError") throw error
}

customElements.define("neo-dm-composer", NeoDmComposer)
