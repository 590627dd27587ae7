// Takes fragments that the server rendered into the page, in the light tree and in shadow roots, with as little change
// as possible: focus, caret, scroll, open details and what was typed stay.
import { Idiomorph } from "/static/v/vendor/idiomorph-0.8.0/idiomorph.esm.js"
import { trustedHTML } from "./trusted.js"

const config = {
  restoreFocus: true,
  // A field that one types in is left alone; a heading that has the focus is not.
  get ignoreActiveValue() {
    return document.activeElement?.matches("input, textarea, select") ?? false
  },
  callbacks: {
    // What counts its changes is never replaced by an older one: a page that was made before a patch may come after it.
    beforeNodeMorphed: (old, fresh) => !(old instanceof Element && (old.hasAttribute("data-keep") || Number(old.dataset?.rev) > Number(fresh.dataset?.rev))),
    beforeNodeRemoved: (old) => !(old instanceof Element && old.hasAttribute("data-keep")),
    // No markup of the server's has a style: one that is there is a script's own. What has the focus can have it further on.
    beforeAttributeUpdated(name, element, mutation) {
      if (mutation !== "remove") return true
      return !(name === "style" || (name === "tabindex" && element === document.activeElement) || (name === "open" && element instanceof HTMLDetailsElement))
    },
    afterNodeMorphed(old, fresh) {
      if (fresh.shadowRoot) morphShadow(old, fresh.shadowRoot)
      // What had a view and has none now (a tombstone) keeps its root, which lets through what is in its place.
      else old.shadowRoot?.replaceChildren(document.createElement("slot"))
    },
  },
}

/** Parses a fragment or a page, with its declarative shadow roots. Its scripts never run. */
export function parse(html) {
  const text = trustedHTML(html)
  if (Document.parseHTMLUnsafe) return Document.parseHTMLUnsafe(text)
  const page = new DOMParser().parseFromString(text, "text/html")
  for (const template of page.querySelectorAll("template[shadowrootmode]")) {
    template.parentNode.attachShadow({ mode: "open", clonable: true }).append(template.content)
    template.remove()
  }
  return page
}

/** The elements of a parsed fragment. (A link to a stylesheet that comes first is taken for the head's.) */
export function elementsOf(page) {
  return [...page.head.children, ...page.body.children]
}

/** Morphs an element into another one. */
export function morph(old, fresh) {
  keepTyped(old, () => Idiomorph.morph(old, fresh, { ...config, morphStyle: "outerHTML" }))
}

/** Morphs the element with the id `target`: `morph` it, `append` or `prepend` to it, or `remove` it. An element that is not on this page is no error. */
export function patch({ target, mode, html }) {
  const old = document.getElementById(target)
  if (!old) return
  if (mode === "remove") return old.remove()
  const fresh = elementsOf(parse(html))
  if (mode === "append" || mode === "prepend") return add(old, fresh, mode)
  if (fresh.length > 0) morph(old, fresh[0])
}

/** Adds elements of a parsed fragment to an element; those that are on the page already are morphed where they stand. */
export function add(parent, elements, mode = "append") {
  for (const element of elements) {
    const old = element.id && document.getElementById(element.id)
    if (old) morph(old, element)
    else parent[mode](document.importNode(element, true))
  }
}

function morphShadow(old, fresh) {
  const root = old.shadowRoot ?? old.attachShadow({ mode: "open", clonable: true })
  const active = root.activeElement
  const caret = active && "selectionStart" in active ? [active.selectionStart, active.selectionEnd] : null
  keepTyped(root, () => Idiomorph.morph(root, [...fresh.childNodes], { ...config, morphStyle: "innerHTML" }))
  if (!active || root.activeElement === active) return
  const again = active.isConnected ? active : active.name && root.querySelector(`[name="${CSS.escape(active.name)}"]`)
  again?.focus()
  if (again && caret?.[0] != null) again.setSelectionRange(...caret)
}

// What somebody has typed and not sent outlives the change around it.
function keepTyped(root, change) {
  const typed = [...root.querySelectorAll("input, textarea, select")].filter(isDirty).map((field) => [field, field.value, field.checked])
  change()
  for (const [field, value, checked] of typed) {
    if (!field.isConnected) continue
    if (field.type === "checkbox" || field.type === "radio") field.checked = checked
    else field.value = value
  }
}

function isDirty(field) {
  if (field.type === "hidden" || field.type === "file") return false
  if (field instanceof HTMLSelectElement) return [...field.options].some((option) => option.selected !== option.defaultSelected)
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked
  return field.value !== field.defaultValue
}
