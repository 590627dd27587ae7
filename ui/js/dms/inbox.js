import { showState } from "./gates.js"
import { again, ready, state } from "./session.js"

// <neo-dm-inbox>: the page with all direct messages: its gates, and the reminder of the recovery code.
class NeoDmInbox extends HTMLElement {
  connectedCallback() {
    document.addEventListener("dm:state", this.#heed)
    document.addEventListener("dm:listed", this.#remind)
    document.addEventListener("dm:recovered", this.#remind)
    document.addEventListener("live:connected", this.#mend)
    this.addEventListener("click", this.#press)
    state().then((now) => this.#show(now))
  }

  disconnectedCallback() {
    document.removeEventListener("dm:state", this.#heed)
    document.removeEventListener("dm:listed", this.#remind)
    document.removeEventListener("dm:recovered", this.#remind)
    document.removeEventListener("live:connected", this.#mend)
    this.removeEventListener("click", this.#press)
  }

  #heed = ({ detail }) => this.#show(detail)

  #show(now) {
    const alarm = now.client?.alarm
    showState(this, alarm ? { state: "stopped", alarm } : now)
    now.client?.addEventListener("alarm", () => showState(this, { state: "stopped", alarm: now.client.alarm }), { once: true })
  }

  // Who has written to somebody and has no code is reminded, here and nowhere else.
  #remind = async () => {
    const client = await ready()
    const isWriting = Boolean(this.querySelector("neo-dms a[data-with]"))
    this.querySelector("[data-part=recovery]").hidden = client.recovery || !isWriting
  }

  #press = ({ target }) => {
    if (target.closest("[data-do=again]")) again()
  }

  #mend = () => {
    if (this.dataset.state === "offline") again()
  }
}

customElements.define("neo-dm-inbox", NeoDmInbox)
