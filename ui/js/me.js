import { show } from "./face.js"
import { connect } from "./live.js"

/** Where it stands whose direct messages this device keeps (dm/wipe.js). */
const OWNER = "dm:owner"
/** How long a log-out waits for that to be deleted, in milliseconds. */
const WIPE_MS = 2000

// <neo-me> around the link to the settings: shows who is logged in, as soon as the line says so. The shell of a page is the
// same for every member, so the server leaves the name out of it. A dot beside it says that something is unread there.
class NeoMe extends HTMLElement {
  #name

  connectedCallback() {
    document.addEventListener("live:connected", this.#greet)
    document.addEventListener("settings:unread", this.#mark)
    document.addEventListener("submit", this.#leave)
    const known = sessionStorage.getItem("me")
    if (known) this.#show(JSON.parse(known))
    connect()
  }

  disconnectedCallback() {
    document.removeEventListener("live:connected", this.#greet)
    document.removeEventListener("settings:unread", this.#mark)
    document.removeEventListener("submit", this.#leave)
  }

  #greet = ({ detail: { username, colour, avatar, unread } }) => {
    forgetUnless(username ?? "")
    if (!username) return sessionStorage.removeItem("me")
    sessionStorage.setItem("me", JSON.stringify({ username, colour, avatar }))
    this.#show({ username, colour, avatar })
    this.#mark({ detail: { unread } })
  }

  // Logging out: nothing of one's direct messages stays on this device, even if the next page never comes.
  #leave = async (event) => {
    const form = event.target
    if (form.getAttribute("action") !== "/logout" || localStorage.getItem(OWNER) === null) return
    event.preventDefault()
    await Promise.race([forgetUnless(""), new Promise((resolve) => setTimeout(resolve, WIPE_MS))])
    form.submit()
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

  #show({ username, colour, avatar }) {
    this.#name = username
    const plate = document.createElement("span")
    plate.className = "avatar"
    plate.ariaHidden = "true"
    show(plate, username, colour ?? "green", avatar)
    const link = this.querySelector("a")
    link.replaceChildren(plate, username)
    link.setAttribute("aria-label", `${username}: settings`)
    link.title = "Settings"
  }
}

// Deletes what the device keeps of direct messages, unless it is this member's.
async function forgetUnless(name) {
  const owner = localStorage.getItem(OWNER)
  if (owner === null || owner === name) return
  const { wipe } = await import("./dm/wipe.js")
  await wipe()
}

customElements.define("neo-me", NeoMe)
