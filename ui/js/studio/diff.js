// <neo-diff data-at>: what changed from one version to another, or to the draft: asked for by a form inside (`from`, `to`), which leads to a page where
// there is no script; shown beneath it, line by line.
class NeoDiff extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", this.#submit)
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
  }

  /** Shows what changed from a version to the draft. */
  async compare(from, to = "draft") {
    const fields = this.querySelector("form")?.elements
    if (fields) {
      fields.from.value = from
      fields.to.value = to
    }
    this.querySelector(".said").textContent = "Looking …"
    const response = await fetch(`${this.dataset.at}?${new URLSearchParams({ from, to })}`, { headers: { accept: "application/json" } }).catch(() => null)
    if (!response?.ok) return this.#show(null, "That can't be compared just now. Try again in a moment.")
    this.#show(await response.json())
  }

  #submit = (event) => {
    event.preventDefault()
    const { from, to } = event.target.elements
    this.dispatchEvent(new CustomEvent("diff:asked", { bubbles: true, detail: { from: from.value, to: to.value } }))
  }

  #show(diff, sorry) {
    const called = (one) => (one === "draft" ? "the draft" : `version ${one}`)
    this.querySelector(".said").textContent = sorry ?? (diff.same ? `There is no difference between ${called(diff.from)} and ${called(diff.to)}.` : `From ${called(diff.from)} to ${called(diff.to)}:`)
    const table = this.querySelector("table")
    table.hidden = !diff || diff.same
    table.tBodies[0].replaceChildren(...(diff?.hunks ?? []).flatMap((hunk, index) => [...(index ? [gap()] : []), ...hunk.lines.map(row)]))
    table.scrollIntoView({ block: "nearest" })
  }
}

const KINDS = { "=": ["both", ""], "-": ["gone", "−"], "+": ["come", "+"] }

function row({ kind, from, to, text }) {
  const [name, sign] = KINDS[kind]
  const line = Object.assign(document.createElement("tr"), { className: name })
  for (const cell of [from ?? "", to ?? "", sign]) line.append(Object.assign(document.createElement("td"), { className: "n", textContent: cell }))
  line.append(Object.assign(document.createElement("td"), { textContent: text }))
  return line
}

function gap() {
  const line = Object.assign(document.createElement("tr"), { className: "gap" })
  line.append(Object.assign(document.createElement("td"), { colSpan: 4, textContent: "…" }))
  return line
}

customElements.define("neo-diff", NeoDiff)
