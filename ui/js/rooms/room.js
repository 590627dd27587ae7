import { ask, connect, refresh, say } from "../live.js"
import { morph, parse } from "../morph.js"
import { fieldsOf, send } from "../send.js"
import { at, dayOf, localise } from "./time.js"

/** Messages asked for at once. */
const BATCH = 100
/** Messages kept on the page while one reads the newest; older ones come back by scrolling. */
const KEPT_MOST = 500
/** One who goes on within this time is not named again. */
const GOES_ON_MS = 5 * 60_000
/** So near to its end the log follows what comes. */
const NEAR_PX = 80
/** How long one looks at something before it counts as read. */
const READ_AFTER_MS = 250
/** After so long what was refused is asked for again. */
const AGAIN_MS = 3_000

// <neo-room data-room data-me data-read>: a room's log. Messages are the server's fragments; this puts each in its place by its
// number, once, and marks what is mine, what calls me, whose speech goes on, where a day begins and where one had left. After
// every gap of the line it fetches what it missed before it shows what comes, so that the page equals a fresh one.
class NeoRoom extends HTMLElement {
  #held = null // frames that wait until what was missed is here; null while nothing is missing
  #catching = 0 // which catching-up is the present one: an older one that comes late is void
  #change = 0 // the room's last change that shows here
  #newest = true // whether the log reaches to the room's newest message
  #stuck = true // whether one looks at the end of the log
  #loading = false
  #read = 0
  #sinceAfter = -1
  #timer = null
  #later = null
  #states = this.attachInternals().states // `listening`: nothing is missing, and what comes is shown as it comes
  #box
  #list
  #edges
  #size

  connectedCallback() {
    this.#box = this.querySelector("[role=log]")
    this.#list = this.querySelector("ol.log")
    this.#read = Number(this.dataset.read ?? 0)
    this.#change = Number(this.dataset.lastChange ?? 0)
    this.#newest = !this.querySelector(".newer a")
    for (const [name, heed] of this.#ears()) document.addEventListener(name, heed)
    this.addEventListener("click", this.#press)
    this.addEventListener("focusout", this.#unfind)
    this.addEventListener("submit", this.#submit)
    this.#box.addEventListener("scroll", this.#scrolled, { passive: true })
    addEventListener("focus", this.#look)
    this.#dressAll()
    this.#open()
    this.#size = new ResizeObserver(() => this.#settle())
    this.#size.observe(this.#box)
    this.#edges = new IntersectionObserver((seen) => seen.forEach((edge) => edge.isIntersecting && this.#more(edge.target)), { root: this.#box, rootMargin: "600px 0px" })
    this.#join()
  }

  disconnectedCallback() {
    for (const [name, heed] of this.#ears()) document.removeEventListener(name, heed)
    this.removeEventListener("click", this.#press)
    this.removeEventListener("focusout", this.#unfind)
    this.removeEventListener("submit", this.#submit)
    removeEventListener("focus", this.#look)
    this.#size.disconnect()
    this.#edges.disconnect()
    clearTimeout(this.#timer)
    clearTimeout(this.#later)
    this.#catching++
    const { room, joined } = this.dataset
    say(joined === undefined ? { event: "unwatch", topic: `room:${room}` } : { event: "leave_room", room })
  }

  #ears() {
    return [
      ["live:connected", this.#join],
      ["live:closed", this.#lose],
      ["live:resync", this.#resync],
      ["live:message", this.#hear],
      ["live:message_edited", this.#hear],
      ["live:message_deleted", this.#hear],
      ["live:unread", this.#readElsewhere],
      ["live:room_changed", this.#changedItself],
      ["live:room_left", this.#leave],
      ["visibilitychange", this.#look],
    ]
  }

  // ── the line ─────────────────────────────────────────────────────────────────────────────────

  // Listens to the room, and fetches what was said and changed since the page was made or the line broke.
  #join = async () => {
    const { room, joined } = this.dataset
    this.#lose()
    const turn = this.#catching
    const answer = await ask(joined === undefined ? { event: "watch", topic: `room:${room}` } : { event: "join_room", room })
    if (turn !== this.#catching) return
    if (!answer) return connect()
    if (answer.event === "error") return this.#say(answer.message)
    this.#catchUp(turn, answer)
  }

  #lose = () => {
    this.#catching++
    this.#states.delete("listening")
    this.#held = []
  }

  #resync = ({ detail: { topic } }) => {
    if (!topic || topic === `room:${this.dataset.room}`) this.#join()
  }

  async #catchUp(turn, { last_seq = Infinity, last_change = Infinity }) {
    const last = this.#messages().at(-1)
    const isMissing = this.#newest && last_seq > this.#seq(last)
    const isWhole =
      (!isMissing || (await this.#fetch({ after_id: this.#id(last) }, turn))) &&
      (last_change <= this.#change || (await this.#fetch({ after_change: this.#change }, turn)))
    if (turn !== this.#catching) return
    if (!isWhole) {
      this.#later = setTimeout(this.#join, AGAIN_MS)
      return
    }
    const held = this.#held ?? []
    this.#held = null
    this.#states.add("listening")
    for (const frame of held) this.#take(frame)
    this.#look()
    for (const edge of this.querySelectorAll(".older, .newer")) this.#watch(edge)
  }

  #hear = ({ detail: frame }) => {
    if (frame.room !== this.dataset.room) return
    if (this.#held) this.#held.push(frame)
    else this.#take(frame)
  }

  #take({ event, id, html, change }) {
    if (event === "message" && !this.#newest && !this.#find(id)) return this.#below()
    this.#put(this.#fragments([{ html }]), event === "message")
    if (event === "message") return
    this.#change = Math.max(this.#change, change ?? 0)
    this.#requote([id])
  }

  // What quotes a message that has changed must not go on quoting what is no longer said.
  async #requote(ids) {
    const messages = this.#messages()
    const quotes = (message) => ids.includes(Number(message.querySelector(".reply")?.dataset.to))
    const [first, last] = [messages.findIndex(quotes), messages.findLastIndex(quotes)]
    if (first === 0 && messages.length > 1) await this.#fetch({ before_id: this.#id(messages[1]) }, this.#catching, { isWhole: false, limit: 1 })
    for (let at = Math.max(first, 1); at <= last; at += BATCH) {
      await this.#fetch({ after_id: this.#id(messages[at - 1]) }, this.#catching, { isWhole: false, limit: Math.min(BATCH, last - at + 1) })
    }
  }

  // Fetches what follows (`after_id`), precedes (`before_id`) or was changed since (`after_change`): all of it, or one batch.
  // Answers what was found and whether there is more; nothing if it did not all come.
  async #fetch(from, turn, { isWhole = true, limit = BATCH } = {}) {
    for (;;) {
      const found = []
      const each = ({ messages }) => found.push(...(messages ?? []))
      const end = await ask({ event: "request_backfill", room: this.dataset.room, limit, ...from }, { each, until: ({ phase }) => phase === "end" })
      if (turn !== this.#catching || !end || end.event === "error") return null
      const changes = from.after_change !== undefined
      if (found.length > 0) this.#put(this.#fragments(found), !changes)
      if (changes) this.#changed(found)
      if (!isWhole || !end.more || found.length === 0) return { more: Boolean(end.more), found }
      from = changes ? { after_change: this.#change } : { after_id: Math.max(...found.map(({ id }) => id)) }
    }
  }

  #changed(found) {
    this.#change = Math.max(this.#change, ...found.map(({ change }) => change ?? 0))
    this.#requote(found.map(({ id }) => id))
  }

  #fragments(messages) {
    return parse(messages.map(({ html }) => html).join("")).querySelectorAll(".message")
  }

  // ── the log ──────────────────────────────────────────────────────────────────────────────────

  #messages() {
    return [...this.#list.querySelectorAll(":scope > .message")]
  }

  #find(id) {
    return this.#list.querySelector(`#message-${Number(id)}`)
  }

  #seq(message) {
    return Number(message?.dataset.seq ?? 0)
  }

  #id(message) {
    return Number(message?.dataset.id ?? 0)
  }

  // Puts fragments in their places by their numbers; those that are here already are renewed where they stand. Changed ones that are
  // not here (`add` is false) stay away: a gap would lie between them and the rest.
  #put(fragments, add = true) {
    const anchor = this.#anchor()
    const first = this.#id(this.#messages()[0])
    for (const fragment of fragments) {
      const old = this.#find(fragment.dataset.id)
      if (old) this.#renewOne(old, fragment)
      else if (add) this.#insert(document.importNode(fragment, true))
    }
    this.#trim()
    this.#edge(first)
    this.#settle(anchor)
    this.#look()
  }

  #renewOne(old, fragment) {
    const focused = old.contains(document.activeElement)
    const fresh = document.importNode(fragment, true)
    this.#dress(fresh, this.#before(old))
    if (fresh.outerHTML === old.outerHTML) return
    morph(old, fresh)
    const now = this.#find(fragment.dataset.id)
    const next = this.#next(now)
    if (next) this.#dress(next, now)
    if (focused && !now.contains(document.activeElement)) now.focus({ preventScroll: true })
  }

  #insert(message) {
    let before = this.#list.lastElementChild
    while (before && !(before.classList.contains("message") && this.#seq(before) < this.#seq(message))) before = before.previousElementSibling
    if (before) before.after(message)
    else this.#list.prepend(message)
    this.#dress(message, this.#before(message))
    this.#divide(message)
    const next = this.#next(message)
    if (next) {
      this.#dress(next, message)
      this.#divide(next)
    }
    if (!next) this.#arrived(message)
  }

  #before(message) {
    let before = message.previousElementSibling
    while (before && !before.classList.contains("message")) before = before.previousElementSibling
    return before
  }

  #next(message) {
    let next = message.nextElementSibling
    while (next && !next.classList.contains("message")) next = next.nextElementSibling
    return next
  }

  // ── marks ────────────────────────────────────────────────────────────────────────────────────

  #dressAll() {
    let before = null
    for (const message of this.#messages()) {
      this.#dress(message, before)
      this.#divide(message)
      before = message
    }
    const unread = this.#messages().find((message) => this.#seq(message) > this.#read && !message.classList.contains("mine"))
    if (unread && this.#read > 0) this.#since(unread)
  }

  #dress(message, before) {
    const { me } = this.dataset
    localise(message)
    message.classList.toggle("mine", message.dataset.user === me && !message.classList.contains("machine"))
    message.classList.toggle("calls", message.dataset.mentions.split(" ").includes(me))
    for (const mention of message.querySelectorAll("a.mention")) mention.classList.toggle("me", mention.dataset.name === me)
    const goesOn = before && !before.classList.contains("gone") && before.dataset.user === message.dataset.user && !message.querySelector(".reply") && at(message) - at(before) < GOES_ON_MS && dayOf(at(message)) === dayOf(at(before))
    message.classList.toggle("goes-on", Boolean(goesOn))
  }

  // A day begins above its first message.
  #divide(message) {
    const before = this.#before(message)
    const day = dayOf(at(message))
    let divider = message.previousElementSibling
    while (divider && divider !== before && !divider.classList.contains("day")) divider = divider.previousElementSibling
    divider = divider === before ? null : divider
    if (before && dayOf(at(before)) === day) return divider?.remove()
    divider ??= this.#line("day")
    divider.firstElementChild.textContent = day
    if (divider.nextElementSibling !== message) message.before(divider)
  }

  #since(message) {
    this.#list.querySelector(":scope > .since")?.remove()
    if (!message) return
    const line = this.#line("since")
    line.firstElementChild.textContent = "since you left"
    message.before(line)
    this.#sinceAfter = this.#seq(this.#before(message))
  }

  #line(kind) {
    const line = document.createElement("li")
    line.className = kind
    line.append(document.createElement("span"))
    return line
  }

  // ── reading and scrolling ────────────────────────────────────────────────────────────────────

  #open() {
    const asked = location.hash.match(/^#message-(\d+)$/)
    const target = asked && this.#find(asked[1])
    const since = this.#list.querySelector(":scope > .since")
    if (target) this.#show(target)
    else if (since && since.offsetTop < this.#box.scrollHeight - this.#box.clientHeight) this.#box.scrollTop = since.offsetTop - this.#box.clientHeight / 4
    else if (this.#newest) this.#toEnd()
    this.#stuck = this.#atEnd()
  }

  #show(message) {
    message.scrollIntoView({ block: "center" })
    message.classList.add("found")
    message.focus({ preventScroll: true })
  }

  #unfind = ({ target }) => target.classList?.remove("found")

  #atEnd() {
    return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < NEAR_PX
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight
    this.#stuck = true
  }

  // Something that one sees, and where; so that it can stay there whatever comes above it.
  #anchor() {
    if (this.#stuck && this.#newest) return null
    const top = this.#box.getBoundingClientRect().top
    const seen = this.#messages().find((message) => message.getBoundingClientRect().bottom > top)
    return seen && { seen, y: seen.getBoundingClientRect().top }
  }

  #settle(anchor = null) {
    if (this.#stuck && this.#newest) this.#toEnd()
    else if (anchor?.seen.isConnected) this.#box.scrollTop += anchor.seen.getBoundingClientRect().top - anchor.y
  }

  #scrolled = () => {
    this.#stuck = this.#atEnd()
    this.#look()
  }

  // Somebody has said something new.
  #arrived(message) {
    if (this.#seq(message) <= this.#read) return
    if (message.classList.contains("mine")) {
      this.#since(null)
      if (this.#newest) this.#stuck = true
    } else if (!this.#watched() && this.#sinceAfter < this.#read) {
      const first = this.#messages().find((one) => this.#seq(one) > this.#read)
      this.#since(first)
    }
    if (!this.#stuck) this.#below()
    // The server tells of what is unread elsewhere; here it leaves that to who looks.
    const mentions = this.#messages().filter((one) => this.#seq(one) > this.#read && one.classList.contains("calls")).length
    const detail = { room: this.dataset.room, count: this.#seq(message) - this.#read, mentions }
    if (!this.#watched()) document.dispatchEvent(new CustomEvent("room:unread", { detail }))
  }

  #below() {
    this.querySelector(".below").hidden = false
  }

  #watched() {
    return document.visibilityState === "visible" && document.hasFocus() && this.#box.checkVisibility()
  }

  // What one looks at, at the end of the log and with the window in front, is read.
  #look = () => {
    if (this.#stuck && this.#newest) this.querySelector(".below").hidden = true
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const seq = this.#seq(this.#messages().at(-1))
      if (this.#held || this.dataset.joined === undefined || !this.#stuck || !this.#newest || seq <= this.#read || !this.#watched()) return
      if (say({ event: "read_up_to", room: this.dataset.room, seq })) this.#read = seq
    }, READ_AFTER_MS)
  }

  // Loads more at an end of the log that comes into sight.
  async #more(edge) {
    if (this.#loading || this.#held || edge.hidden) return
    this.#loading = true
    const older = edge.classList.contains("older")
    const messages = this.#messages()
    const answer = await this.#fetch(older ? { before_id: this.#id(messages[0]) } : { after_id: this.#id(messages.at(-1)) }, this.#catching, { isWhole: false })
    this.#loading = false
    if (!answer) return
    this.#ends(edge, answer.more)
    if (!older && !answer.more) {
      this.#newest = true
      this.#join()
    }
    this.#watch(edge)
  }

  // One that is in sight still says nothing by itself.
  #watch(edge) {
    this.#edges.unobserve(edge)
    this.#edges.observe(edge)
  }

  #ends(edge, more) {
    edge.hidden = !more
  }

  // The links at the ends lead on from what is here, for those who press them.
  #edge(first) {
    const messages = this.#messages()
    if (messages.length === 0) return
    if (this.#id(messages[0]) !== first) this.#lead(".older a", "before", this.#id(messages[0]))
    this.#lead(".newer a", "after", this.#id(messages.at(-1)))
  }

  #lead(link, name, id) {
    const found = this.querySelector(link)
    if (!found) return
    const address = new URL(found.href)
    address.searchParams.set(name, id)
    found.href = address
  }

  // A long evening does not make the page heavy.
  #trim() {
    const messages = this.#messages()
    if (!this.#stuck || !this.#newest || messages.length <= KEPT_MOST + BATCH) return
    const kept = messages[messages.length - KEPT_MOST]
    while (this.#list.firstElementChild !== kept) this.#list.firstElementChild.remove()
    this.#dress(kept, null)
    this.#divide(kept)
    this.querySelector(".older").hidden = false
  }

  #readElsewhere = ({ detail: { room, read_seq = 0 } }) => {
    if (room === this.dataset.room) this.#read = Math.max(this.#read, read_seq)
  }

  #changedItself = ({ detail: { room } }) => {
    if (room === this.dataset.room) refresh()
  }

  // Somebody took one out of the room.
  #leave = ({ detail: { room, reason } }) => {
    if (room !== this.dataset.room || reason === "left") return
    delete this.dataset.joined
    this.#say(reason === "banned" ? "The room's owner has banned you from this room." : "The room's owner has taken you out of this room. What you were writing is still here.")
  }

  // ── presses ──────────────────────────────────────────────────────────────────────────────────

  #press = (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target.closest("a, button")
    if (link?.matches(".reply")) {
      const quoted = this.#find(link.dataset.to)
      if (!quoted) return
      event.preventDefault()
      this.#show(quoted)
    } else if (link?.matches(".below") && this.#newest) {
      event.preventDefault()
      this.#toEnd()
      this.#look()
    } else if (link?.dataset.do) {
      event.preventDefault()
      link.dispatchEvent(new CustomEvent(`message:${link.dataset.do}`, { bubbles: true, detail: { message: link.closest(".message") } }))
    }
  }

  // The room's menu: the conversation stays where it is.
  #submit = async (event) => {
    const form = event.target
    if (!form.hasAttribute("data-quiet")) return
    event.preventDefault()
    const { ok, message } = await send(form.action, fieldsOf(form, event.submitter))
    const line = form.querySelector("[role=alert]")
    line.hidden = ok
    line.textContent = message ?? "That was not accepted."
    if (!ok) return
    form.reset()
    form.closest("[popover]")?.hidePopover()
    await refresh()
    if (form.action.endsWith("/join")) this.#join()
  }

  #say(message) {
    this.dispatchEvent(new CustomEvent("room:said", { bubbles: true, detail: { message } }))
  }
}

customElements.define("neo-room", NeoRoom)
