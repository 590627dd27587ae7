// <neo-dm-write-to data-at>: leads to the conversation with whom one names.
class NeoDmWriteTo extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this.#submit)
    this.addEventListener("input", this.#typed)
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("input", this.#typed)
  }

  #submit = async (event) => {
    event.preventDefault()
    const input = this.querySelector("input")
    const name = input.value.trim().replace(/^@/, "").toLowerCase()
    if (!/^[a-z0-9_-]{3,24}$/.test(name)) return this.#tell("A name has 3 to 24 of a–z, 0–9, _ and -.")
    const response = await fetch(`${this.dataset.at}${name}`, { headers: { accept: "text/html" } }).catch(() => null)
    if (!response) return this.#tell("The line is down. Try again in a moment.")
    if (response.status === 404) return this.#tell(`Nobody here is called ${name}.`)
    if (response.status === 400 || response.status === 422) return this.#tell("You can't write to yourself here. A draft on your wall keeps just as well.")
    location.assign(`${this.dataset.at}${name}`)
  }

  #typed = () => this.#tell("")

  #tell(message) {
    const line = this.querySelector(".error")
    line.hidden = !message
    line.querySelector("span").textContent = message
    this.querySelector(".field").classList.toggle("bad", Boolean(message))
    const input = this.querySelector("input")
    input.setAttribute("aria-invalid", String(Boolean(message)))
    if (message) input.focus()
  }
}

customElements.define("neo-dm-write-to", NeoDmWriteTo)
