// <neo-number>: a sketch and a field for one of its numbers. What is typed goes into the sketch while it runs; what is slid under the
// sketch comes into the field.
class NeoNumber extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this.#changed)
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#changed)
  }

  #changed = ({ target }) => {
    const frame = this.querySelector("neo-frame")
    const field = this.querySelector("[name=number]")
    const { name } = this.dataset
    if (target !== field) {
      const slid = frame.params.get(name)?.value
      if (slid !== undefined) field.value = slid
      return
    }
    if (!field.validity.valid || field.value === "") return
    if (frame.state === "idle") frame.start({ params: { [name]: Number(field.value) } })
    else frame.set(name, Number(field.value))
  }
}

customElements.define("neo-number", NeoNumber)
