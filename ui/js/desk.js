import { parse } from "./morph.js"

/** What the tool pane shows; everything else is a page of its own. The server has the same list (desk.rs). */
const TOOLS = /^\/(wall\/[^/]+|directory|plugins(\/[^/]+)?|random|sandbox(\/[^/]+)?|system|rooms|rooms\/search|rooms\/[^/]+\/(people|log|messages\/\d+))$/

// <neo-desk>: switches rooms and direct messages without touching the tool beside them, and opens walls and the like in the tool pane. The address says
// what both panes show, so that back, forward and reload find it again: rooms by the page's own history, tools by the frame's.
class NeoDesk extends HTMLElement {
  #frame
  #shown
  #turn = 0
  #eager = null // what is to have the focus once the tool is there

  connectedCallback() {
    this.#frame = this.querySelector("iframe")
    this.#shown = this.#conversation(new URL(location))
    this.addEventListener("click", this.#press)
    this.#frame.addEventListener("load", this.#showed)
    document.addEventListener("desk:open", this.#open)
    addEventListener("popstate", this.#travel)
    this.#showed()
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    this.#frame.removeEventListener("load", this.#showed)
    document.removeEventListener("desk:open", this.#open)
    removeEventListener("popstate", this.#travel)
  }

  #press = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target.closest("a[href]")
    if (!link || link.target || link.hasAttribute("data-whole") || link.getAttribute("href").startsWith("#")) return
    if (this.#handle(new URL(link.href), link.dataset.tool, link.matches("[data-key=search]"))) event.preventDefault()
  }

  // A link in the tool pane that leads to a room or to somebody.
  #open = (event) => {
    if (this.#handle(new URL(event.detail.href))) event.preventDefault()
  }

  // Whether the desk shows an address in one of its panes.
  #handle(address, tool, toSearch = false) {
    if (address.origin !== location.origin) return false
    if (tool || isTool(address)) {
      this.#use(tool ?? address.pathname + address.search + address.hash, toSearch)
      return true
    }
    const conversation = this.#conversation(address)
    if (!conversation) return false
    this.#go(this.#address(conversation, address.hash))
    return true
  }

  // ── the conversation ─────────────────────────────────────────────────────────────────────────

  // Which conversation an address shows, and what of it, as the desk's own parameters; nothing if it shows none.
  #conversation(address) {
    const isDesk = address.pathname === "/desk"
    const room = isDesk ? address.searchParams.get("room") : /^\/rooms\/([^/]+)$/.exec(address.pathname)?.[1]
    const dm = isDesk ? address.searchParams.get("dm") : /^\/dm\/([^/]+)$/.exec(address.pathname)?.[1]
    if (!isDesk && !dm && (!room || room === "search")) return null
    const asked = new URLSearchParams()
    if (dm) asked.set("dm", dm)
    else if (room) asked.set("room", room)
    for (const name of ["around", "before", "after"]) {
      const id = address.searchParams.get(name)
      if (id) asked.set(name, id)
    }
    return asked.toString()
  }

  #address(conversation, hash = "") {
    const asked = new URLSearchParams(conversation)
    const tool = this.#path()
    if (tool) asked.set("tool", tool)
    return new URL(`/desk?${asked}${hash}`, location)
  }

  async #go(address, isNew = true) {
    const turn = ++this.#turn
    this.ariaBusy = "true"
    const response = await fetch(address.pathname + address.search, { headers: { accept: "text/html" } }).catch(() => null)
    if (turn !== this.#turn) return
    this.ariaBusy = null
    const page = response?.ok && new URL(response.url).pathname === "/desk" ? parse(await response.text()) : null
    if (turn !== this.#turn) return
    if (!page?.getElementById("talk")) return location.assign(address)
    if (isNew) history.pushState(null, "", address.pathname + address.search)
    this.#shown = this.#conversation(address)
    const focus = document.activeElement?.matches(":is(neo-composer, neo-dm-composer) textarea") ? "neo-composer textarea" : document.activeElement?.closest("neo-rooms, neo-dms") ? ":is(neo-rooms, neo-dms) [aria-current]" : null
    const scrolled = this.querySelector("#rooms").scrollTop
    document.title = page.title
    if (page.querySelector("neo-dm")) import("./dms/all.js")
    // A place on the page is gone to before what stands there comes, which looks at the address itself.
    const hash = address.hash || (this.querySelector("#talk").checkVisibility() ? "" : "#talk")
    if (isNew && hash) location.replace(hash)
    for (const id of ["rooms", "talk"]) this.querySelector(`#${id}`).replaceWith(document.importNode(page.getElementById(id), true))
    this.querySelector("#rooms").scrollTop = scrolled
    if (focus) this.querySelector(focus)?.focus()
    if (focus === "neo-composer textarea") this.querySelector("neo-dm")?.setAttribute("data-eager", "")
    document.dispatchEvent(new CustomEvent("desk:room"))
  }

  #travel = () => {
    const here = new URL(location)
    if (this.#conversation(here) !== this.#shown) this.#go(here, false)
    const tool = here.searchParams.get("tool")
    if (tool && isTool(new URL(tool, location)) && this.#path() && tool !== this.#path() && this.#frame.contentDocument?.readyState === "complete") this.#frame.contentWindow.location.replace(tool)
  }

  // ── the tool ─────────────────────────────────────────────────────────────────────────────────

  // The path that the frame shows; nothing before it shows one, or when it can't be looked into.
  #path() {
    try {
      const { protocol, pathname, search } = this.#frame.contentWindow.location
      return protocol.startsWith("http") ? pathname + search : ""
    } catch {
      return ""
    }
  }

  #use(path, toSearch) {
    this.#eager = toSearch ? "input[type=search]" : null
    this.#frame.loading = "eager"
    if (this.#path()) this.#frame.contentWindow.location.assign(path)
    else this.#frame.src = path
    if (!this.#frame.checkVisibility()) location.hash = "#tool"
  }

  #showed = () => {
    const path = this.#path()
    if (!path) return
    const link = this.querySelector(".address a")
    link.href = path
    link.textContent = path
    this.#frame.title = this.#frame.contentDocument.title || "Tool"
    for (const tab of this.querySelectorAll("[data-tool]")) tab.ariaCurrent = tab.dataset.tool === path ? "page" : null
    const here = new URL(location)
    if (here.searchParams.get("tool") !== path) {
      here.searchParams.set("tool", path)
      history.replaceState(history.state, "", here)
    }
    if (this.#eager) this.#frame.contentDocument.querySelector(this.#eager)?.focus()
    this.#eager = null
  }
}

function isTool({ origin, pathname }) {
  return origin === location.origin && TOOLS.test(pathname)
}

customElements.define("neo-desk", NeoDesk)
