import { parse, patch } from "../morph.js"
import { fieldsOf, send } from "../send.js"

// <neo-posts data-at="/wall/ana/posts"> around a list of posts: their author's tools work in place. Without a script they are plain forms.
class NeoPosts extends HTMLElement {
  #queue = Promise.resolve()

  connectedCallback() {
    this.addEventListener("submit", this.#submit)
    document.addEventListener("submit", this.#restore, { capture: true })
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
    document.removeEventListener("submit", this.#restore, { capture: true })
  }

  get #list() {
    return this.querySelector(".posts-list")
  }

  #submit = (event) => {
    const form = event.target
    const post = form.closest(".post")
    const what = form.getAttribute("action").split("/").pop()
    if (!post || !["move", "delete"].includes(what)) return
    event.preventDefault()
    if (what === "delete") this.#remove(post, form)
    else this.#move(post, form, event.submitter)
  }

  // Shown at once; what the server says comes as a patch to everyone.
  #move(post, form, submitter) {
    const fields = fieldsOf(form, submitter)
    const list = this.#list
    const { previousElementSibling: above, nextElementSibling: below } = post
    const to = submitter?.value
    if (to === "up" && above) list.insertBefore(post, above)
    else if (to === "down" && below) list.insertBefore(post, below.nextElementSibling)
    else if (to === "top") list.prepend(post)
    submitter?.focus()
    this.#send(form.action, fields, "Moved.")
  }

  #remove(post, form) {
    const heir = post.nextElementSibling ?? post.previousElementSibling
    this.#send(form.action, [], "", (html) => {
      post.remove()
      const toast = parse(html).getElementById("undo")
      document.getElementById("undo")?.remove()
      if (toast) document.body.append(document.importNode(toast, true))
      heir?.querySelector(".post-tools button")?.focus()
      this.#say("Deleted. It is kept for 30 days.")
    })
  }

  #restore = async (event) => {
    const { action } = event.target
    if (!action.includes(`${this.dataset.at}/`) || !action.endsWith("/restore") || event.target.matches("[data-plain]")) return
    event.preventDefault()
    // The wall's editor puts modules back by the same word.
    event.stopPropagation()
    const { ok, message } = await send(action, {})
    if (!ok) return this.#say(message)
    document.getElementById("undo")?.remove()
    this.#say("It is back.")
  }

  // One after another, so that the last word is the last.
  #send(address, fields, done, then) {
    this.#queue = this.#queue.then(async () => {
      const { ok, html, message } = await send(address, fields)
      if (!ok) return this.#say(message || parse(html).body.textContent.trim())
      if (then) then(html)
      else this.#say(done)
    })
  }

  #say(text) {
    const line = document.getElementById("said")
    if (line) line.textContent = text
  }
}

customElements.define("neo-posts", NeoPosts)
