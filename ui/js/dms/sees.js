// <neo-dm-sees>: what the server sees and what it can't; opens with any button that says data-do="sees".
class NeoDmSees extends HTMLElement {
  connectedCallback() {
    document.addEventListener("click", this.#press)
  }

  disconnectedCallback() {
    document.removeEventListener("click", this.#press)
  }

  #press = ({ target }) => {
    const dialog = this.querySelector("dialog")
    if (target.closest("[data-do=sees]") && !dialog.open) dialog.showModal()
  }
}

customElements.define("neo-dm-sees", NeoDmSees)
