import { refusal } from "./gates.js"
import { conversation } from "./session.js"

const SVG = "http://www.w3.org/2000/svg"

// <neo-dm-safety data-with>: the safety number of the two: twelve groups of five digits and a QR code, and whether they were
// compared. Opens with any button that says data-do="safety".
class NeoDmSafety extends HTMLElement {
  #talk = null

  async connectedCallback() {
    document.addEventListener("click", this.#press)
    this.addEventListener("change", this.#mark)
    const talk = await conversation(this.dataset.with)
    if (this.isConnected) this.#talk = talk
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#press)
    this.removeEventListener("change", this.#mark)
    this.#talk = null
  }

  #press = ({ target }) => {
    if (this.#talk && target.closest("[data-do=safety]")) this.#open()
  }

  async #open() {
    const { peer } = this.#talk
    const number = await this.#talk.safetyNumber()
    this.querySelector(".without").hidden = Boolean(number)
    this.querySelector(".with-number").hidden = !number
    if (number) {
      const { digits, qr } = number
      this.querySelector(".digits").replaceChildren(...digits.map((group) => Object.assign(document.createElement("li"), { textContent: group })))
      this.querySelector(".qr").replaceChildren(draw(qr))
      this.querySelector("input").checked = peer.compared
      this.querySelector(".new-keys").hidden = !peer.changed
      this.querySelector("label").hidden = Boolean(peer.changed)
    }
    this.#tell("")
    const dialog = this.querySelector("dialog")
    if (!dialog.open) dialog.showModal()
  }

  #mark = async ({ target }) => {
    if (!target.matches("input")) return
    try {
      await this.#talk.setCompared(target.checked)
      this.#tell(target.checked ? "Kept, for all your devices." : "Taken back, for all your devices.")
    } catch (error) {
      target.checked = !target.checked
      this.#tell(refusal(error, "The line is down, so it could not be kept. Try again once it is back."))
    }
  }

  #tell(message) {
    this.querySelector("[role=status]").textContent = message
  }
}

// The modules of a QR code, its quiet zone included, as one path.
function draw(rows) {
  const svg = document.createElementNS(SVG, "svg")
  const side = rows.length
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`)
  svg.setAttribute("shape-rendering", "crispEdges")
  svg.setAttribute("role", "img")
  svg.setAttribute("aria-label", "QR code of the same number")
  const ground = document.createElementNS(SVG, "path")
  ground.setAttribute("class", "w")
  ground.setAttribute("d", `M0 0h${side}v${side}H0z`)
  const ink = document.createElementNS(SVG, "path")
  ink.setAttribute("class", "k")
  ink.setAttribute("d", rows.flatMap((row, y) => [...row].map((isDark, x) => (isDark ? `M${x} ${y}h1v1h-1z` : ""))).join(""))
  svg.append(ground, ink)
  return svg
}

customElements.define("neo-dm-safety", NeoDmSafety)
