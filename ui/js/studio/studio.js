import { parse, morph } from "../morph.js"
import { Draft, post, reason } from "./draft.js"

/** How long a run waits for its text to be saved; it is kept in this browser in any case. */
const SAVE_BEFORE_RUN_MS = 2_000

// <neo-studio data-id data-revision>: where a sketch is written. Brings together the editor, the frame, the console, the numbers, the versions, and the
// draft, which knows how to keep what is typed. The form in it is the whole page where there is no script.
class NeoStudio extends HTMLElement {
  #code
  #frame
  #console
  #params
  #draft
  #form
  #here // aborted when it leaves the page: then it listens no more
  #ran = false // whether there is a run to begin again
  #mistake = "" // the last thing that this run ran into

  async connectedCallback() {
    this.#form = this.querySelector("form.sheet")
    this.#code = this.querySelector("neo-code")
    this.#frame = this.querySelector("neo-frame")
    this.#console = this.querySelector("neo-console")
    this.#params = this.querySelector("neo-params")
    await Promise.all(["neo-code", "neo-frame", "neo-console", "neo-params"].map((name) => customElements.whenDefined(name)))
    if (!this.isConnected) return
    this.#frame.hold = true
    const area = this.#form.elements.source
    const source = area.defaultValue
    // What a form brought back was refused: the server doesn't have it.
    const saved = "typed" in this.dataset ? null : source
    this.#draft = new Draft({ id: this.dataset.id, source: saved, revision: Number(this.dataset.revision), text: () => this.#code.text, tell: this.#stands, follow: (text) => this.#code.replace(text) })
    this.#code.begin(source)
    // Whoever was faster than the editor has typed in the field.
    this.#code.replace(area.value)
    area.disabled = true
    const { signal } = (this.#here = new AbortController())
    for (const [name, heed] of this.#ears()) this.addEventListener(name, heed, { signal })
    addEventListener("keydown", this.#key, { signal })
    this.classList.add("alive")
    const { text, aside } = await this.#draft.recover()
    if (text !== null) this.#code.replace(text)
    if (this.#draft.dirty) this.#draft.typed()
    if (aside) {
      this.#say("What you typed here before and was never saved is kept aside: see Versions.")
      this.#refresh()
    }
  }

  disconnectedCallback() {
    this.#here?.abort()
    this.#draft?.close()
  }

  #ears() {
    return [
      ["code:typed", () => this.#draft.typed()],
      ["code:key", this.#keyed],
      ["click", this.#press],
      ["submit", this.#submit],
      ["console:go", this.#go],
      ["diff:asked", this.#compare],
      ["frame:state", this.#state],
      ["frame:console", this.#heard],
      ["frame:error", this.#failed],
      ["frame:param", ({ detail }) => this.#params.show(detail)],
      ["frame:beat", this.#beat],
      ["params:set", ({ detail }) => this.#frame.set(detail.name, detail.value)],
      ["params:keep", this.#keepNumber],
    ]
  }

  // ── running ──────────────────────────────────────────────────────────────────────────────────

  async #run({ seed, params } = {}) {
    this.#look("picture")
    // It is kept here already; the server gets it first too, unless that takes long.
    await Promise.race([this.#draft.save(), new Promise((resolve) => setTimeout(resolve, SAVE_BEFORE_RUN_MS))])
    this.#code.clear()
    this.#console.clear()
    this.#params.clear()
    this.#mistake = ""
    this.#part("frames").textContent = ""
    await this.#frame.start({ source: this.#code.text, seed, params })
  }

  // With the same seed, and the numbers as they are turned now.
  #again() {
    if (!this.#ran) return this.#run()
    const params = Object.fromEntries([...this.#frame.params].map(([name, { value }]) => [name, value]))
    return this.#run({ seed: this.#frame.seed, params })
  }

  #state = ({ detail: { state, why } }) => {
    this.dataset.state = state
    const running = state === "running" || state === "loading" || state === "paused"
    this.#ran ||= state === "running"
    for (const button of this.querySelectorAll("[data-do=stop]")) button.disabled = !running
    for (const button of this.querySelectorAll("[data-do=again]")) button.disabled = !this.#ran
    if (state === "running") this.#part("seed").textContent = `seed ${this.#frame.seed}`
    if (!running) this.#part("frames").textContent = ""
    if (why) this.#console.add({ level: "error", text: why })
    this.#part("runs").textContent = why || this.#mistake || { loading: "It is being set up.", running: "It runs.", paused: "It rests.", stopped: "It is stopped.", ended: "It has ended.", idle: "" }[state]
  }

  #heard = ({ detail }) => {
    this.#console.add(detail)
    if (detail.level === "error") this.#fault({ ...detail, message: detail.text })
  }

  #failed = ({ detail: { message, line, column } }) => {
    this.#console.add({ level: "error", text: message, line, column })
    this.#fault({ message, line, column })
  }

  #fault({ message, line, column }) {
    this.#code.fault({ message, line, column })
    this.#mistake = line ? `Line ${line}: ${message}` : message
    this.#say(this.#mistake)
  }

  #beat = ({ detail: { frames } }) => {
    this.#part("frames").textContent = `${frames} frames a second`
  }

  #go = ({ detail: { line, column } }) => {
    this.#look("code")
    this.#code.go(line, column)
  }

  // Writes a number that was tried out into the source: the second argument of `neo.param("name", …)`.
  #keepNumber = ({ detail: { name, value } }) => {
    const call = new RegExp(`(neo\\.param\\(\\s*(["'\`])${name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}\\2\\s*,\\s*)-?[\\d.]+(?:e-?\\d+)?`)
    const text = this.#code.text
    if (!call.test(text)) return this.#say(`“${name}” isn't a plain number in the code, so it has to be written there by hand.`)
    this.#code.replace(text.replace(call, (_, before) => before + value))
    this.#draft.typed()
    this.#say(`${name} is ${value} in the code now.`)
  }

  // ── the draft ────────────────────────────────────────────────────────────────────────────────

  #stands = ({ kind, why, at }) => {
    const line = this.#part("saved")
    const time = new Date(at ?? Date.now()).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    const words = { typing: "not saved yet", saving: "saving …", saved: at ? `saved ${time}` : "saved", clash: "kept aside", kept: "kept in this browser" }
    line.textContent = words[kind]
    line.dataset.kind = kind
    this.#part("trouble").hidden = kind !== "kept"
    if (kind === "kept") this.#part("trouble").textContent = `Not saved: ${why} What you type is kept in this browser.`
    if (kind === "saved" || kind === "clash") this.querySelector(".clash").hidden = kind !== "clash"
    for (const field of this.#form.querySelectorAll("[name=revision]")) field.value = this.#draft.revision
  }

  #compareClash() {
    this.#open("versions")
    // What stands here lies aside by now, so the page has both texts.
    this.#refresh()
  }

  // ── versions, details, publishing ────────────────────────────────────────────────────────────

  #submit = async (event) => {
    const form = event.target
    if (form.matches(".restore")) {
      event.preventDefault()
      return this.#bringBack(form)
    }
    if (form === this.#form) {
      event.preventDefault()
      return this.#publish(event.submitter?.value ?? "save")
    }
    // Forms that lead away (fork, delete) wait until the draft is there.
    if (form.method !== "post" || !this.#draft.dirty || form.dataset.saved) return
    event.preventDefault()
    if (!(await this.#draft.save())) return this.#say("Your text isn't saved yet, so you stay here. It is kept in this browser.")
    form.dataset.saved = "yes"
    form.requestSubmit(event.submitter)
  }

  async #publish(then) {
    const fields = this.#form.elements
    this.#told("")
    if (!(await this.#draft.save())) return this.#told(this.#draft.clash ? "Another window saved first: choose which text to go on with." : "The text could not be saved, so nothing was published. It is kept in this browser.")
    const details = { title: fields.title.value, description: fields.description.value, licence: fields.licence.value }
    if (fields.visibility.value) details.visibility = fields.visibility.value
    // The licence and the rest first: what is published is published under them.
    const kept = await post(`/sandbox/${this.dataset.id}/details`, details)
    if (!kept.ok) return this.#told(reason(kept), kept.body.errors)
    if (then !== "save") {
      const publish = then === "publish" ? { publish: "on", ...(details.visibility && { visibility: details.visibility }) } : {}
      const made = await post(`/sandbox/${this.dataset.id}/versions`, { note: fields.note.value, revision: this.#draft.revision, ...publish })
      if (!made.ok) return this.#told(reason(made), made.body.errors)
      fields.note.value = ""
      const alone = then === "publish" && details.visibility === "private" ? " Nobody but you sees it, as you chose." : ""
      this.#told(`Version ${made.body.version} is ${then === "publish" ? "published" : "made"}.${alone}`)
    } else this.#told("Kept.")
    // What is kept isn't taken for something typed and not sent.
    for (const field of fields) if ("defaultValue" in field && field !== fields.source) field.defaultValue = field.value
    await this.#refresh()
  }

  // The lists are the server's: what is on the page now is exchanged for what the page would have.
  async #refresh() {
    const response = await fetch(location.pathname, { headers: { accept: "text/html" } }).catch(() => null)
    if (!response?.ok) return
    const page = parse(await response.text())
    for (const old of this.querySelectorAll("[data-fresh]")) {
      const fresh = page.getElementById(old.id)
      if (fresh) morph(old, fresh)
    }
  }

  async #bringBack(form) {
    const response = await fetch(form.dataset.source, { headers: { accept: "text/plain" } }).catch(() => null)
    if (!response?.ok) return this.#say("That version can't be fetched just now. Try again in a moment.")
    this.#code.replace((await response.text()).replaceAll("\r\n", "\n"))
    this.#draft.typed()
    form.closest("dialog").close()
    this.#look("code")
    this.#code.focus()
    this.#say(`${form.dataset.called} stands in the editor. Undo brings back what stood there.`)
  }

  #compare = async ({ target, detail: { from, to } }) => {
    if (from === "draft" || to === "draft") await this.#draft.save()
    target.compare(from, to)
  }

  #told(text, errors = []) {
    for (const line of this.querySelectorAll(".told")) {
      line.textContent = text
      line.hidden = !text
    }
    for (const field of this.querySelectorAll("#publish .field")) {
      const name = field.querySelector("[name]")?.name
      field.classList.toggle("bad", errors.some((error) => error.field === name))
    }
  }

  // ── keys and buttons ─────────────────────────────────────────────────────────────────────────

  #press = (event) => {
    const button = event.target.closest("[data-do], [data-open]")
    if (!button || !this.contains(button)) return
    if (button.dataset.open) return this.#open(button.dataset.open)
    this.#does(button.dataset.do, button, event)
  }

  #keyed = ({ detail: { does } }) => this.#does(does)

  // The same keys work while something else than the editor has the focus.
  #key = (event) => {
    if (event.defaultPrevented || event.isComposing) return
    const held = (event.ctrlKey || event.metaKey) && !event.altKey
    const does = held && { Enter: event.shiftKey ? "again" : "run", ".": "stop", s: "save" }[event.key]
    const typing = event.composedPath()[0].closest?.("input, textarea, select, [contenteditable=true]")
    if (does && !document.querySelector("dialog[open]")) {
      event.preventDefault()
      this.#does(does)
    } else if (event.key === "?" && !held && !typing) this.#open("keys")
  }

  #does(what, button, event) {
    switch (what) {
      case "run":
        return this.#run()
      case "again":
        return this.#again()
      case "stop":
        return this.#frame.stop()
      case "save":
        return this.#draft.save()
      case "theirs":
        return this.#code.replace(this.#draft.takeTheirs())
      case "mine":
        return this.#draft.takeMine()
      case "both":
        return this.#compareClash()
      case "compare":
        return this.querySelector("neo-diff").dispatchEvent(new CustomEvent("diff:asked", { bubbles: true, detail: { from: button.value, to: "draft" } }))
      case "away":
        return this.#away(button, event)
    }
  }

  // A link that takes the draft along: not before it is there.
  async #away(link, event) {
    if (!this.#draft.dirty) return
    event.preventDefault()
    await this.#draft.save()
    location.assign(link.href)
  }

  #open(id) {
    const dialog = document.getElementById(id)
    if (!dialog.open) dialog.showModal()
  }

  // On a phone one pane is seen at a time.
  #look(pane) {
    if (matchMedia("(max-width: 60rem)").matches) location.replace(`#${pane}`)
  }

  #say(text) {
    this.#part("runs").textContent = text
  }

  #part(name) {
    return this.querySelector(`[data-part=${name}]`)
  }
}

customElements.define("neo-studio", NeoStudio)
