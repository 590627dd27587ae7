import { dayOf } from "../rooms/time.js"
import { explain } from "./explain.js"
import { refusal } from "./gates.js"
import { conversation } from "./session.js"
import { gist, stamp, written } from "./words.js"

/** One who goes on within this time stands closer to what was said before. */
const GOES_ON_MS = 5 * 60_000
/** So near to its end the log follows what comes. */
const NEAR_PX = 80
/** How long one looks at something before it counts as read. */
const READ_AFTER_MS = 250

// <neo-dm-log data-with data-me>: what the two have said. The conversation holds the items, opened and checked on this device; here each
// gets its line, in the conversation's order, as text and never as markup. Looks after days, what is unread, scrolling and older ones.
class NeoDmLog extends HTMLElement {
  #talk = null
  #lines = new Map() // an item's key → its line
  #stuck = true // whether one looks at the end
  #isLoading = false
  #mayHaveMore = true
  #since = null // the key of the first message that was unread when the conversation was opened
  #read = 0
  #heard = 0 // up to which `seq` the reader has been told
  #timer = null
  #box
  #list
  #size = null
  #edge = null

  async connectedCallback() {
    this.#box = this.querySelector("[role=log]")
    this.#list = this.querySelector("ol.log")
    this.addEventListener("click", this.#press)
    this.addEventListener("focusout", this.#unfind)
    this.#box.addEventListener("scroll", this.#scrolled, { passive: true })
    document.addEventListener("visibilitychange", this.#look)
    document.addEventListener("dm:find", this.#find)
    document.addEventListener("dm:shown", this.#open)
    addEventListener("focus", this.#look)
    const talk = await conversation(this.dataset.with)
    if (!this.isConnected || this.#talk) return
    this.#talk = talk
    talk.addEventListener("change", this.#heed)
    if (talk.items.length > 0) this.#heed({ detail: {} })
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    this.removeEventListener("focusout", this.#unfind)
    this.#box.removeEventListener("scroll", this.#scrolled)
    document.removeEventListener("visibilitychange", this.#look)
    document.removeEventListener("dm:find", this.#find)
    document.removeEventListener("dm:shown", this.#open)
    removeEventListener("focus", this.#look)
    this.#talk?.removeEventListener("change", this.#heed)
    this.#talk = null
    this.#size?.disconnect()
    this.#edge?.disconnect()
    clearTimeout(this.#timer)
  }

  // The log can be seen for the first time.
  #open = () => {
    if (!this.#talk || this.#size) return
    this.#read = this.#talk.readSeq ?? 0
    const unread = this.#talk.items.find(({ mine, seq }) => !mine && seq > this.#read)
    this.#since = this.#read > 0 && unread ? unread.key : null
    this.#heard = Math.max(0, ...this.#talk.items.map(({ seq }) => seq ?? 0))
    this.#show()
    const line = this.#since && this.#lines.get(this.#since)
    if (line && line.offsetTop < this.#box.scrollHeight - this.#box.clientHeight) this.#box.scrollTop = line.offsetTop - this.#box.clientHeight / 4
    else this.#toEnd()
    this.#stuck = this.#isAtEnd()
    // What comes into a line later (a picture, a font) moves the end too.
    this.#size = new ResizeObserver(() => this.#stuck && this.#toEnd())
    this.#size.observe(this.#box)
    this.#size.observe(this.#list)
    this.#edge = new IntersectionObserver((seen) => seen.some(({ isIntersecting }) => isIntersecting) && this.#more(), { root: this.#box, rootMargin: "600px 0px" })
    this.#edge.observe(this.querySelector(".older"))
    this.#look()
  }

  #heed = ({ detail }) => {
    const keys = detail?.keys
    this.#show(keys && new Set(keys))
    this.#announce()
    this.#look()
  }

  // ── lines ────────────────────────────────────────────────────────────────────────────────────

  // Gives each item its line, in order. Only lines of `keys` are written anew, and those that are new; without `keys`, all.
  #show(keys = null) {
    if (!this.#talk) return
    const anchor = this.#anchor()
    const focused = document.activeElement?.closest?.("neo-dm-log .message")?.dataset.key
    const { items } = this.#talk
    const present = new Set(items.map(({ key }) => key))
    for (const [key, line] of this.#lines) {
      if (present.has(key)) continue
      line.remove()
      this.#lines.delete(key)
    }
    let before = null
    let next = this.#list.firstElementChild
    let isNewBefore = false
    for (const item of items) {
      let line = this.#lines.get(item.key)
      const isNew = !line
      if (isNew) {
        line = this.#line()
        this.#lines.set(item.key, line)
      }
      if (line === next) next = next.nextElementSibling
      else this.#list.insertBefore(line, next)
      if (isNew || !keys || keys.has(item.key)) this.#write(line, item)
      if (isNew || isNewBefore || !keys || keys.has(item.key)) this.#place(line, item, before)
      isNewBefore = isNew
      before = item
    }
    this.querySelector(".nothing").hidden = items.length > 0
    this.querySelector(".older").hidden = !this.#mayHaveMore || items.length === 0
    if (this.#stuck) this.#toEnd()
    else if (anchor?.line.isConnected) this.#box.scrollTop += anchor.line.getBoundingClientRect().top - anchor.top
    if (focused && !document.activeElement?.closest?.(".message")) this.#lines.get(focused)?.focus({ preventScroll: true })
    if (this.#talk.items.at(-1)?.pending && !this.#stuck) this.#toEnd()
  }

  #line() {
    return this.querySelector("template.letter").content.firstElementChild.cloneNode(true)
  }

  #write(line, item) {
    const { key, mine, text, edited, history = [], reply, files = [], deleted, unknown, pending, failed, alarm, at, storedAt } = item
    const part = (selector) => line.querySelector(selector)
    line.id = `dm-${key.replace(/[^a-z0-9-]/gi, "-")}`
    line.dataset.key = key
    const isUnread = Boolean(alarm) && !text && files.length === 0
    const marks = { mine, pending: Boolean(pending), failed: Boolean(failed), gone: Boolean(deleted || unknown), alarmed: Boolean(alarm), unopened: isUnread && !deleted }
    for (const [mark, isOn] of Object.entries(marks)) line.classList.toggle(mark, isOn)
    part(".who").textContent = mine ? "You: " : `${this.dataset.with}: `

    part(".quote").hidden = !reply || Boolean(deleted)
    if (reply) {
      part(".quote").dataset.to = reply.key ?? ""
      part(".quote").textContent = `↳ ${reply.mine ? "you" : this.dataset.with}: ${reply.text ? gist({ text: reply.text }) : "…"}`
    }
    const said = part(".said")
    if (deleted) said.replaceChildren(deleted === "both" ? (mine ? "You took this back." : `${this.dataset.with} took this back.`) : "You deleted this for yourself.")
    else if (unknown) said.replaceChildren("A kind of message that this page doesn't know.")
    else said.replaceChildren(...written(text ?? ""))
    said.hidden = said.childNodes.length === 0

    this.#files(part(".files"), deleted ? [] : files, item)
    const changed = part(".history")
    changed.hidden = !edited || Boolean(deleted)
    if (edited && !deleted) {
      part(".history ol").replaceChildren(
        ...history.map((earlier) => {
          const entry = document.createElement("li")
          const time = document.createElement("time")
          stamp(time, earlier.at, true)
          const words = document.createElement("span")
          words.dir = "auto"
          words.append(...written(earlier.text))
          entry.append(time, " ", words)
          return entry
        }),
      )
    }
    const wrong = part(".wrong")
    wrong.hidden = !alarm
    if (alarm) {
      wrong.querySelector("span").textContent = explain(alarm, this.dataset.with).place
      wrong.querySelector("button").dataset.code = alarm
      wrong.querySelector("button").hidden = !this.#talk.alarms.some(({ code }) => code === alarm)
    }
    stamp(part(".stamped time"), at)
    part(".state").textContent = failed ? "not sent" : pending ? "not sent yet" : deleted || isUnread ? "" : "sealed"
    // Where the server's clock says something else than the seal, both are said.
    part(".stored").hidden = !storedAt
    if (storedAt) stamp(part(".stored time"), storedAt, true)
    const why = part(".failure")
    why.hidden = !failed
    why.querySelector("span").textContent = typeof failed === "string" ? failed : (failed?.message ?? "")
    part(".tools").hidden = Boolean(pending || failed || deleted === "me")
    part("[data-do=edit]").hidden = !mine || Boolean(deleted || unknown) || isUnread || !text
    part("[data-do=back]").hidden = files.length > 0
    part("[data-do=reply]").hidden = Boolean(deleted || unknown) || isUnread
    part("[data-do=report]").hidden = mine || Boolean(deleted) || isUnread
    part("[data-do=delete]").hidden = deleted === "me"
  }

  #files(list, files, item) {
    const shown = [...list.querySelectorAll("neo-dm-file")]
    if (shown.length === files.length && shown.every((one) => one.dataset.key === item.key) && files.length > 0 && !item.pending) return
    list.replaceChildren(
      ...files.map((file, n) => {
        // Imported, so that it is an element of this page, with its method, before it stands there.
        const line = document.importNode(this.querySelector("template.attached").content.firstElementChild, true)
        line.querySelector("neo-dm-file").show(file, item, n)
        line.querySelector(".save").hidden = Boolean(item.pending)
        const progress = line.querySelector("progress")
        progress.hidden = !item.pending || file.progress === undefined
        progress.value = file.progress ?? 0
        return line
      }),
    )
    list.hidden = files.length === 0
  }

  // What depends on the message before: where a day begins, who goes on.
  #place(line, item, before) {
    const day = line.querySelector(".day")
    day.hidden = Boolean(before) && dayOf(before.at) === dayOf(item.at)
    day.firstElementChild.textContent = day.hidden ? "" : dayOf(item.at)
    line.querySelector(".since").hidden = item.key !== this.#since
    line.classList.toggle("goes-on", day.hidden && before?.mine === item.mine && !before.deleted && item.at - before.at < GOES_ON_MS && item.key !== this.#since)
  }

  // Tells a screen reader what the other one says as it comes, and nothing of what was there before.
  #announce() {
    if (!this.#size) return
    const fresh = this.#talk.items.filter(({ seq, pending }) => !pending && seq > this.#heard)
    if (fresh.length === 0) return
    this.#heard = Math.max(...fresh.map(({ seq }) => seq))
    const said = fresh.filter(({ mine, deleted }) => !mine && !deleted).map((item) => (item.alarm && !item.text ? explain(item.alarm, this.dataset.with).place : gist(item)))
    if (said.length === 0) return
    this.querySelector(".announcer").textContent = `${this.dataset.with}: ${said.join(". ")}`
    if (!this.#stuck) this.querySelector(".below").hidden = false
    if (!this.#isWatched() && !this.#since) {
      this.#since = fresh.find(({ mine }) => !mine).key
      const at = this.#talk.items.findIndex(({ key }) => key === this.#since)
      this.#place(this.#lines.get(this.#since), this.#talk.items[at], this.#talk.items[at - 1] ?? null)
    }
  }

  // ── scrolling and reading ────────────────────────────────────────────────────────────────────

  #isAtEnd() {
    return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight < NEAR_PX
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight
    this.#stuck = true
    this.querySelector(".below").hidden = true
  }

  // Something that one sees, and where; so that it can stay there whatever comes above it.
  #anchor() {
    if (this.#stuck || !this.#size) return null
    const top = this.#box.getBoundingClientRect().top
    const line = [...this.#list.children].find((one) => one.getBoundingClientRect().bottom > top)
    return line && { line, top: line.getBoundingClientRect().top }
  }

  #scrolled = () => {
    this.#stuck = this.#isAtEnd()
    if (this.#stuck) this.querySelector(".below").hidden = true
    this.#look()
  }

  #isWatched() {
    return document.visibilityState === "visible" && document.hasFocus() && this.#box.checkVisibility()
  }

  // What one looks at, at the end of the log and with the window in front, is read.
  #look = () => {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      const seq = Math.max(0, ...(this.#talk?.items ?? []).map(({ seq }) => seq ?? 0))
      if (!this.#size || !this.#stuck || seq <= this.#read || !this.#isWatched()) return
      this.#read = seq
      this.#talk.read(seq)
    }, READ_AFTER_MS)
  }

  async #more() {
    if (this.#isLoading || !this.#mayHaveMore) return
    this.#isLoading = true
    this.#box.ariaBusy = "true"
    try {
      this.#mayHaveMore = Boolean(await this.#talk.older())
    } catch (error) {
      this.dispatchEvent(new CustomEvent("dm:said", { bubbles: true, detail: { message: refusal(error, "The line is down, so what was said earlier can't be fetched.") } }))
    } finally {
      this.#isLoading = false
      this.#box.ariaBusy = null
    }
    const edge = this.querySelector(".older")
    edge.hidden = !this.#mayHaveMore
    // One that is in sight still says nothing by itself.
    this.#edge?.unobserve(edge)
    this.#edge?.observe(edge)
  }

  // ── presses ──────────────────────────────────────────────────────────────────────────────────

  #press = ({ target }) => {
    const button = target.closest("button")
    if (!button) return
    const key = button.closest(".message")?.dataset.key
    const item = this.#talk?.items.find((one) => one.key === key)
    if (button.matches(".below")) return this.#toEnd()
    if (button.matches(".older button")) return this.#more()
    if (button.matches(".quote")) return this.#find({ detail: { key: button.dataset.to } })
    if (button.matches(".wrong button")) return document.dispatchEvent(new CustomEvent("dm:explain", { detail: { code: button.dataset.code } }))
    if (button.dataset.do && item) document.dispatchEvent(new CustomEvent(`dm:${button.dataset.do}`, { detail: { item } }))
  }

  // Shows a message, and loads what lies between it and here.
  #find = async ({ detail: { key } }) => {
    while (!this.#lines.has(key) && this.#mayHaveMore) {
      const before = this.#talk.items.length
      await this.#more()
      if (this.#talk.items.length === before) break
    }
    const line = this.#lines.get(key)
    if (!line) return
    this.#stuck = false
    line.scrollIntoView({ block: "center" })
    line.classList.add("found")
    line.focus({ preventScroll: true })
  }

  #unfind = ({ target }) => target.classList?.remove("found")
}

customElements.define("neo-dm-log", NeoDmLog)
