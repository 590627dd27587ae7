import { parse, patch } from "../morph.js"
import { fieldsOf, send } from "../send.js"

const FARTHEST_JITTER_PX = 8
const EDGE_PX = 60
const SCROLL_PX = 12

// <neo-posts data-at="/wall/ana/posts"> around a list of posts: their author's tools work in place, and posts are carried by
// their grip, with mouse, finger or arrow keys. Without a script they are plain forms.
class NeoPosts extends HTMLElement {
  #queue = Promise.resolve()
  #carried = null

  connectedCallback() {
    this.addEventListener("submit", this.#submit)
    this.addEventListener("pointerdown", this.#grab)
    this.addEventListener("keydown", this.#key)
    document.addEventListener("submit", this.#restore, { capture: true })
  }

  disconnectedCallback() {
    this.removeEventListener("submit", this.#submit)
    this.removeEventListener("pointerdown", this.#grab)
    this.removeEventListener("keydown", this.#key)
    this.#letGo()
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

  // ---- carried by the grip ---------------------------------------------------------------------------------------

  #grab = (event) => {
    const grip = event.target.closest(".post-grip")
    if (!grip || event.button !== 0) return
    event.preventDefault()
    grip.focus()
    const post = grip.closest(".post")
    this.#carried = { post, grip, pointer: event.pointerId, y: event.clientY, next: post.nextElementSibling, moved: false }
    addEventListener("pointermove", this.#carry)
    addEventListener("pointerup", this.#drop)
    addEventListener("pointercancel", this.#cancel)
    addEventListener("keydown", this.#escape)
  }

  #carry = (event) => {
    const carried = this.#carried
    if (!carried || event.pointerId !== carried.pointer) return
    event.preventDefault()
    if (!carried.moved) {
      if (Math.abs(event.clientY - carried.y) < FARTHEST_JITTER_PX) return
      carried.moved = true
      carried.post.classList.add("is-dragged")
    }
    if (event.clientY < EDGE_PX) scrollBy(0, -SCROLL_PX)
    else if (event.clientY > innerHeight - EDGE_PX) scrollBy(0, SCROLL_PX)
    const { post } = carried
    // Past the middle of a neighbour it changes places with it.
    while (post.previousElementSibling && event.clientY < middle(post.previousElementSibling)) this.#put(post, post.previousElementSibling)
    while (post.nextElementSibling && event.clientY > middle(post.nextElementSibling)) this.#put(post, post.nextElementSibling.nextElementSibling)
  }

  #drop = () => {
    const { post, next, moved } = this.#carried
    this.#letGo()
    if (moved && post.nextElementSibling !== next) this.#place(post)
  }

  #cancel = () => {
    const { post, next } = this.#carried ?? {}
    this.#letGo()
    if (post) this.#put(post, next)
  }

  #escape = (event) => {
    if (event.key === "Escape") this.#cancel()
  }

  #letGo() {
    removeEventListener("pointermove", this.#carry)
    removeEventListener("pointerup", this.#drop)
    removeEventListener("pointercancel", this.#cancel)
    removeEventListener("keydown", this.#escape)
    this.#carried?.post.classList.remove("is-dragged")
    this.#carried = null
  }

  #key = (event) => {
    const post = event.target.closest(".post-grip")?.closest(".post")
    if (!post || event.altKey || event.ctrlKey || event.metaKey || this.#carried) return
    const { previousElementSibling: above, nextElementSibling: below } = post
    if (event.key === "ArrowUp" && above) this.#put(post, above)
    else if (event.key === "ArrowDown" && below) this.#put(post, below.nextElementSibling)
    else if (["ArrowUp", "ArrowDown"].includes(event.key)) this.#say(`It is ${above ? "the last one here" : "first"} already.`)
    else return
    event.preventDefault()
    if (above || below) this.#place(post)
    event.target.focus()
  }

  #put(post, before) {
    if (this.#list.moveBefore) this.#list.moveBefore(post, before)
    else this.#list.insertBefore(post, before)
  }

  // Above its next neighbour; at the end of what this page shows, below the one before, whatever comes after on other pages.
  #place(post) {
    const { nextElementSibling: next, previousElementSibling: previous } = post
    const id = (element) => element.id.replace("post-", "")
    const fields = next ? { above: id(next) } : { below: id(previous) }
    this.#send(`${this.dataset.at}/${id(post)}/move`, fields, "Moved.")
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

function middle(element) {
  const { top, height } = element.getBoundingClientRect()
  return top + height / 2
}

customElements.define("neo-posts", NeoPosts)
