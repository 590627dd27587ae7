import { connect } from "./live.js"

// <neo-me> around the link to the settings: shows who is logged in, as soon as the line says so. The shell of a page is the
// same for every member, so the server leaves the name out of it. A dot beside it says that something is unread there.
class NeoMe extends HTMLElement {
  #name

  connectedCallback() {
    document.addEventListener("live:connected", this.#greet)
    document.addEventListener("settings:unread", this.#mark)
    const known = sessionStorage.getItem("me")
    if (known) this.#show(JSON.parse(known))
    connect()
  }

  disconnectedCallback() {
    document.removeEventListener("live:connected", this.#greet)
    document.removeEventListener("settings:unread", this.#mark)
  }

  #greet = ({ detail: { username, colour, unread } }) => {
    if (!username) return sessionStorage.removeItem("me")
    sessionStorage.setItem("me", JSON.stringify({ username, colour }))
    this.#show({ username, colour })
    this.#mark({ detail: { unread } })
  }

  #mark = ({ detail: { unread } }) => {
    const link = this.querySelector("a")
    link.querySelector(".dot")?.remove()
    link.setAttribute("aria-label", `${this.#name}: settings${unread ? ", something unread" : ""}`)
    if (!unread) return
    const dot = document.createElement("span")
    dot.className = "dot"
    dot.ariaHidden = "true"
    link.append(dot)
  }

  #show({ username, colour }) {
    this.#name = username
    const plate = document.createElement("span")
    plate.className = `avatar plate-${colour ?? "green"}`
    plate.ariaHidden = "true"
    plate.textContent = username.slice(0, 2)
    const link = this.querySelector("a")
    link.replaceChildren(plate, username)
    link.setAttribute("aria-label", `${username}: settings`)
    link.title = "Settings"
  }
}

customElements.define("neo-me", NeoMe)
