import { STOPS } from "../dm/alarms.js"
import { refusal, showState } from "./gates.js"
import { again, conversation, state } from "./session.js"

// <neo-dm data-with data-me data-state data-eager?>: a conversation; `data-eager` wants to be written in. Shows of it what fits the state: a gate (no keys here, no WebCrypto, the
// server is down …), or the log with what belongs to it. What carries `data-when` is there in the states that it names.
class NeoDm extends HTMLElement {
  #talk = null

  connectedCallback() {
    document.addEventListener("dm:state", this.#heed)
    document.addEventListener("live:connected", this.#mend)
    this.addEventListener("click", this.#press)
    this.#begin()
  }

  disconnectedCallback() {
    document.removeEventListener("dm:state", this.#heed)
    document.removeEventListener("live:connected", this.#mend)
    this.removeEventListener("click", this.#press)
    for (const event of ["peer", "alarm"]) this.#talk?.removeEventListener(event, this.#standing)
    this.#talk?.typing(false)
  }

  async #begin() {
    this.#show(await state())
  }

  #heed = ({ detail }) => this.#show(detail)

  async #show(now) {
    if (now.state !== "ready" || this.#talk) return this.#put(now)
    const talk = await conversation(this.dataset.with)
    try {
      await talk.load()
    } catch (error) {
      refusal(error)
      return this.#put({ state: "offline" })
    }
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    for (const event of ["peer", "alarm"]) talk.addEventListener(event, this.#standing)
    this.#standing()
    this.#put(now)
    this.dispatchEvent(new CustomEvent("dm:shown", { bubbles: true }))
    if (this.dataset.eager !== undefined) this.querySelector("neo-dm-composer textarea").focus()
  }

  #put(now) {
    showState(this, now, this.dataset.with)
    if (now.state === "locked" || now.state === "none") this.querySelector("neo-dm-unlock input[type=password]").focus({ preventScroll: true })
  }

  // How things stand between the two: one line in the title, and whether one may write.
  #standing = () => {
    const { peer, alarms } = this.#talk
    const alarm = alarms.find(({ code }) => STOPS.has(code))
    this.toggleAttribute("data-stopped", Boolean(alarm))
    this.toggleAttribute("data-blocked", peer.blocked)
    this.toggleAttribute("data-muted", peer.muted)
    this.toggleAttribute("data-keyless", peer.keyless)
    const line = this.querySelector(".standing")
    const text = alarm ? "not safe just now" : peer.keyless ? "no keys yet" : peer.compared ? "sealed, keys compared" : "sealed"
    if (line.textContent !== text) line.textContent = text
    line.classList.toggle("yes", !alarm && peer.compared)
    line.classList.toggle("no", Boolean(alarm) || peer.keyless)
  }

  #press = ({ target }) => {
    if (target.closest("[data-do=again]")) again()
  }

  #mend = () => {
    if (this.dataset.state === "offline") again()
  }
}

customElements.define("neo-dm", NeoDm)
