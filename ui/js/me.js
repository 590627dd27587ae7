import { connect } from "./live.js"

// <neo-me> around the link to the settings: shows who is logged in, as soon as the line says so. The shell of a page is the
// same for every member, so the server leaves the name out of it.
class NeoMe extends HTMLElement {
  connectedCallback() {
    document.addEventListener("live:connected", this.#greet)
    const known = sessionStorage.getItem("me")
    if (known) this.#show(JSON.parse(known))
    connect()
  }

  disconnectedCallback() {
    document.removeEventListener("live:connected", this.#greet)
  }

  #greet = ({ detail: { username, colour } }) => {
    if (!username) return sessionStorage.removeItem("me")
    sessionStorage.setItem("me", JSON.stringify({ username, colour }))
    this.#show({ username, colour })
  }

  #show({ username, colour }) {
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
