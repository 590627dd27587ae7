import { morph, parse } from "../morph.js"
import { get } from "../send.js"

const LOOK_AGAIN_MS = 700

// <neo-arrival>: everything in it is a plain form; with a script the file shows how far it is on its way, and what comes along how far it is.
class NeoArrival extends HTMLElement {
  #timer

  connectedCallback() {
    this.addEventListener("submit", this.#submit)
    this.#follow()
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
    clearTimeout(this.#timer)
  }

  #submit = (event) => {
    const form = event.target
    if (!form.matches("[data-archive]") || !form.elements.archive.files[0]) return
    event.preventDefault()
    this.#send(form)
  }

  // fetch doesn't say how far it is, so this is the older way.
  #send(form) {
    const part = form.querySelector("[data-uploading]")
    const bar = part.querySelector("progress")
    const percent = part.querySelector("[data-percent]")
    const said = part.querySelector("[data-said]")
    const button = form.querySelector("button:not([data-cancel])")
    const request = new XMLHttpRequest()
    const cancel = part.querySelector("[data-cancel]")
    let cancelled = false
    cancel.onclick = () => {
      cancelled = true
      request.abort()
    }
    part.querySelector("[data-what]").textContent = form.elements.archive.files[0].name
    said.textContent = ""
    part.hidden = false
    button.disabled = true
    request.open("POST", form.action)
    request.setRequestHeader("accept", "application/json")
    request.responseType = "json"
    request.upload.onprogress = ({ loaded, total }) => {
      const share = total ? loaded / total : 0
      bar.value = share * 100
      percent.textContent = `${Math.floor(share * 100)} %`
      const sentence = share < 1 ? "" : "Looking through it…"
      if (said.textContent !== sentence) said.textContent = sentence
    }
    request.onloadend = async () => {
      part.hidden = true
      button.disabled = false
      const { status, response } = request
      if (cancelled) return
      if (status >= 200 && status < 300) {
        form.reset()
        await this.#refresh()
        const heading = this.querySelector("#waits h2")
        heading?.setAttribute("tabindex", "-1")
        heading?.focus()
      } else if (status > 0) {
        this.#say(form, `${response?.detail ?? `That did not work (${status}).`} Nothing was changed.`)
      } else {
        this.#say(form, "The file did not get here. Nothing was changed: try again in a moment.")
      }
    }
    request.send(new FormData(form))
  }

  #say(form, sentence) {
    this.querySelector("#arrival-refused")?.remove()
    form.querySelector(":scope > .notice")?.remove()
    const notice = document.createElement("p")
    notice.className = "notice bad"
    notice.setAttribute("role", "alert")
    notice.textContent = sentence
    form.prepend(notice)
  }

  async #refresh() {
    const html = await get("/settings/import").catch(() => "")
    const fresh = html && parse(html).querySelector("#arrival")
    const old = this.querySelector("#arrival")
    if (fresh && old) morph(old, fresh)
  }

  // Looks again as long as something comes along.
  #follow() {
    if (!this.querySelector("[data-bringing]")) return
    this.#timer = setTimeout(async () => {
      await this.#refresh()
      if (this.querySelector("[data-bringing]")) return this.#follow()
      const heading = this.querySelector("#waits h2, #before h2")
      heading?.setAttribute("tabindex", "-1")
      heading?.focus()
    }, LOOK_AGAIN_MS)
  }
}

customElements.define("neo-arrival", NeoArrival)
