// <neo-params>: the numbers that a running sketch has named, each with a slider and a field. A change tells `params:set` {name, value}; "into the
// code" tells `params:keep` {name, value}. Rows are made from the template inside.
class NeoParams extends HTMLElement {
  connectedCallback() {
    this.addEventListener("input", this.#turn)
    this.addEventListener("click", this.#press)
  }

  disconnectedCallback() {
    this.removeEventListener("input", this.#turn)
    this.removeEventListener("click", this.#press)
  }

  /** A number that the sketch has, or its new bounds. */
  show({ name, value, min, max, step }) {
    const row = this.#row(name)
    for (const field of row.querySelectorAll("input")) {
      Object.assign(field, { min: min ?? "", max: max ?? "", step: step ?? "any" })
      if (field !== this.getRootNode().activeElement) field.value = value
    }
    row.querySelector("[type=range]").hidden = min == null || max == null
    this.hidden = false
  }

  /** Another run: the numbers come anew. */
  clear() {
    this.querySelector("ul").replaceChildren()
    this.hidden = true
  }

  #row(name) {
    const list = this.querySelector("ul")
    const old = [...list.children].find((row) => row.dataset.name === name)
    if (old) return old
    const row = this.querySelector("template").content.firstElementChild.cloneNode(true)
    row.dataset.name = name
    row.querySelector(".name").textContent = name
    row.querySelector("[type=range]").ariaLabel = name
    row.querySelector("[type=number]").ariaLabel = `${name}, as a number`
    row.querySelector("button").ariaLabel = `Write ${name} into the code`
    list.append(row)
    return row
  }

  #turn = ({ target }) => {
    const row = target.closest("[data-name]")
    if (!row || target.value === "" || !target.validity.valid) return
    for (const field of row.querySelectorAll("input")) if (field !== target) field.value = target.value
    this.#say("params:set", row)
  }

  #press = ({ target }) => {
    if (target.closest("button")) this.#say("params:keep", target.closest("[data-name]"))
  }

  #say(event, row) {
    const value = Number(row.querySelector("[type=number]").value)
    this.dispatchEvent(new CustomEvent(event, { bubbles: true, detail: { name: row.dataset.name, value } }))
  }
}

customElements.define("neo-params", NeoParams)
