// <neo-look>: the tabs of the look and of one's own CSS in the drawer. It is all plain forms, which the drawer sends; with a script the wall wears what one
// chooses while one chooses it. The host makes that sheet too, so what one sees is what would be kept.
class NeoLook extends HTMLElement {
  #sheet = new CSSStyleSheet()
  #asking = false
  #again = false

  connectedCallback() {
    this.addEventListener("input", this.#changed)
    this.addEventListener("reset", this.#reset)
    document.addEventListener("keydown", this.#key)
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, this.#sheet]
    this.#link?.addEventListener("load", this.#worn)
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#changed)
    this.removeEventListener("reset", this.#reset)
    document.removeEventListener("keydown", this.#key)
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((sheet) => sheet !== this.#sheet)
    this.#link?.removeEventListener("load", this.#worn)
  }

  get #form() {
    return this.querySelector("[data-wears]")
  }

  get #link() {
    return document.getElementById("look")
  }

  #changed = ({ target }) => {
    if (!target.form || target.form !== this.#form) return
    const output = target.type === "range" && target.parentElement.querySelector("output")
    if (output) output.value = `${target.value} px`
    this.#show()
  }

  // One question at a time; what has changed meanwhile is asked next.
  async #show() {
    if (this.#asking) return void (this.#again = true)
    this.#asking = true
    do {
      this.#again = false
      const response = await fetch(`${this.dataset.at}/preview`, {
        method: "POST",
        headers: { accept: "application/json" },
        body: new URLSearchParams(new FormData(this.#form)),
      }).catch(() => null)
      if (!response?.ok || !this.isConnected) continue
      const { sheet, exchanged, left_out: leftOut } = await response.json()
      this.#sheet.replaceSync(sheet)
      if (this.#form.elements.css) this.#say(leftOut.map(({ line, column, why }) => `Line ${line}, column ${column}: ${why}`))
      else this.#say(exchanged.map(({ why }) => why))
    } while (this.#again)
    this.#asking = false
  }

  #say(sentences) {
    this.querySelector("#look-notes").replaceChildren(...sentences.map((sentence) => {
      const note = Object.assign(document.createElement("p"), { className: "notice bad exchanged" })
      note.append(Object.assign(document.createElement("span"), { textContent: sentence }))
      return note
    }))
  }

  // The page wears what was kept.
  #worn = () => this.#sheet.replaceSync("")

  #reset = () => {
    this.#sheet.replaceSync("")
    queueMicrotask(() => this.querySelectorAll("output").forEach((output) => (output.value = `${output.previousElementSibling.value} px`)))
  }

  #key = (event) => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey)) return
    if (event.target.closest?.("input:not([type=color], [type=range]), textarea") || !this.contains(event.target)) return
    const button = this.querySelector(event.shiftKey ? "[data-redo]" : "[data-undo]")
    event.preventDefault()
    button?.click()
  }
}

customElements.define("neo-look", NeoLook)
