// One conversation, for the page: loading and checking, what arrives, sending with a queue that survives the line and the page, drafts,
// files, search, and the other's key. What is shown is computed by thread.js; this fetches, keeps and tells.
//
// Events: "change" (detail.keys: which items changed), "alarm", "typing" (detail.on), "peer".
import { connect, say } from "../live.js"
import { Alarm, STOPS } from "./alarms.js"
import { fromBase64url, isWhole, Malformed, random, same, toBase64url } from "./bytes.js"
import { asBlob, openFile, prepareFile, sealedLength, sealFile } from "./file.js"
import { hidingTag } from "./keys.js"
import { entriesOf, liesIn } from "./log.js"
import { encodeBody, FILES_MOST, isFileId, seal, TEXT_MOST } from "./message.js"
import { Denied, getBytes, getJson, Offline, postBytes, postJson } from "./net.js"
import { safetyDigits, safetyText, qrMatrix } from "./safety.js"
import { look, noticeSentence, readMessage, readShown } from "./thread.js"
import { tell } from "./wipe.js"
import { Refused } from "../accounts/derive.js"

const FIRST = 50
const BATCH = 200
/** How many pages are fetched at once of what was missed. */
const PAGES_MOST = 50
/** How often a message is sealed anew because others of one's own devices were faster. */
const SEALS_MOST = 20
/** How often it is sealed anew because the server knows something newer. */
const TRIES_MOST = 4
/** Before what the line or the server held up is tried again, in milliseconds. */
const AGAIN_MS = 5000

export class Conversation extends EventTarget {
  /** Ascending; what is not sent yet stands last. See `blank` in thread.js for what an item has. */
  items = []
  /** What is wrong: `[{ code, sentence, counters: { mine, first, last } | null }]`. */
  alarms = []
  /** The other side (`state`: "new", "asked", "request" or "open"): `{ name, colour, state, muted, blocked, keyless, pin, changed: null | { from, to, at }, compared }`. */
  peer
  /** Whether `load` is done, and whether there is older. */
  loaded = false
  more = true
  /** The newest that was read, and the newest that there is. */
  readSeq = 0
  lastSeq = 0

  #inside
  #messages = [] // as readMessage made them, by seq
  #notices = []
  #forks = []
  #theirs = [] // the log's entries of the other
  #at = null // newest positions
  #pending = []
  #state = "new"
  #queue = Promise.resolve()
  #sending = false
  #asked = false
  #again = null
  #waiters = new Map() // pending id → { resolve, reject }
  #ends = []

  constructor(inside, user) {
    super()
    this.#inside = inside
    this.peer = { name: user, colour: "green", state: "new", muted: false, blocked: false, keyless: false, pin: null, changed: null, compared: false }
  }

  get #me() {
    return this.#inside.name
  }

  get #user() {
    return this.peer.name
  }

  get #address() {
    return `/dm/${this.#user}`
  }

  // ── loading ──────────────────────────────────────────────────────────────────────────────────

  /** Loads and checks the newest messages; done when the first screen can be read. */
  load() {
    this.#loading ??= this.#load().catch((error) => {
      this.#loading = null
      throw error
    })
    return this.#loading
  }
  #loading = null

  async #load() {
    this.#listen()
    connect()
    await this.#serially(async () => {
      const [page, pending] = await Promise.all([this.#page(`limit=${FIRST}`), this.#inside.store.pending(this.#user), this.#readTheirs()])
      this.#pending = pending
      // What was loaded before stays, and is followed up to here without a gap.
      if (this.#messages.length > 0) {
        await this.#catchUp()
      } else {
        await this.#take(page.messages)
        this.more = page.more
      }
      this.loaded = true
      await this.#settle()
    })
    if (!this.#inside.listed(this.#user)) this.#relist()
    this.sendWaiting()
  }

  /** Loads older ones; answers whether there are more still. */
  async older() {
    await this.load()
    await this.#serially(async () => {
      const first = this.#messages[0]
      if (!first || !this.more) return
      const page = await this.#page(`before=${first.shown.seq}&limit=${BATCH}`)
      const came = page.messages.length
      await this.#take(page.messages)
      // A page without anything in it, or with nothing older, ends it, whatever it says.
      this.more = page.more && came > 0 && this.#messages[0] !== first
      await this.#settle()
    })
    return this.more
  }

  // The other's keys. Where their entries aren't well made, there are none.
  async #readTheirs() {
    try {
      this.#theirs = await entriesOf(this.#inside.store, this.#user)
    } catch (error) {
      if (!(error instanceof Alarm)) throw error
      this.#theirs = []
      this.#notices.push({ code: error.code, whose: null, first: 0, last: 0 })
    }
  }

  async #page(query) {
    const answer = await this.#ask(() => getJson(`${this.#address}/messages?${query}`))
    const { messages, more, read_seq, last_seq, state } = answer ?? {}
    if (!Array.isArray(messages) || messages.length > 2 * BATCH) throw new Denied(502, { detail: "The server sent something that is no conversation." })
    if (isWhole(read_seq)) this.readSeq = read_seq
    if (isWhole(last_seq)) this.lastSeq = last_seq
    if (["new", "open", "request", "asked"].includes(state)) this.#state = state
    return { messages, more: more === true }
  }

  // Takes messages as the server shows them, a page in its order or one that arrived.
  async #take(page) {
    const context = { me: this.#me, peer: this.#user, generations: this.#inside.keys }
    const shown = []
    for (const one of page) {
      try {
        shown.push(readShown(one))
      } catch (error) {
        if (!(error instanceof Malformed)) throw error
        this.#notices.push({ code: "broken", whose: null, first: 0, last: 0 })
      }
    }
    for (let nth = 1; nth < shown.length; nth++) {
      if (shown[nth].seq < shown[nth - 1].seq) this.#notices.push({ code: "reordered", whose: null, first: 0, last: 0 })
      if (shown[nth].seq === shown[nth - 1].seq) this.#notices.push({ code: "repeated", whose: null, first: 0, last: 0 })
    }
    const bySeq = new Map(this.#messages.map((message) => [message.shown.seq, message]))
    const read = await Promise.all(shown.map((one) => readMessage(one, context)))
    for (const message of read) {
      const known = bySeq.get(message.shown.seq)
      if (known && (known.shown.id !== message.shown.id || !same(known.shown.header, message.shown.header))) {
        this.#notices.push({ code: "repeated", whose: null, first: 0, last: 0 })
        continue
      }
      bySeq.set(message.shown.seq, message)
    }
    this.#messages = [...bySeq.values()].sort((a, b) => a.shown.seq - b.shown.seq)
    await this.#checkHeads()
  }

  // Whether the log's heads that messages name lie in the log; what names more of it has the log read first.
  async #checkHeads() {
    const beyond = () => this.#messages.some(({ opened, lies }) => opened && lies === null)
    await this.#findHeads()
    if (beyond()) {
      await this.#inside.readLog()
      await this.#readTheirs()
      await this.#findHeads()
    }
    await this.#checkForks()
  }

  // Few heads are named often.
  async #findHeads() {
    const found = new Map()
    for (const message of this.#messages) {
      if (!message.opened || message.lies === true) continue
      const { size, head } = message.header.log
      const name = `${size} ${toBase64url(head)}`
      if (!found.has(name)) found.set(name, await liesIn(this.#inside.store, { size, head }))
      message.lies = found.get(name)
    }
  }

  // What once named a head outside the log is remembered, until the log has it.
  async #checkForks() {
    const { store } = this.#inside
    const known = await store.forks(this.#user)
    const fresh = this.#messages.filter(({ opened, lies }) => opened && lies !== true).map(({ mine, counter, header }) => ({ whose: mine ? "mine" : "theirs", counter, ...header.log }))
    const added = fresh.filter(({ whose, counter }) => !known.some((one) => one.whose === whose && one.counter === counter))
    const forks = []
    for (const fork of [...known, ...added]) if ((await liesIn(store, fork)) !== true) forks.push(fork)
    if (added.length > 0 || forks.length < known.length) await store.setForks(this.#user, forks)
    this.#forks = forks.map(({ whose, counter }) => ({ code: "log_fork", whose, first: counter, last: counter }))
  }

  // Computes what is shown from what is loaded and known, and tells of it.
  async #settle() {
    await this.#pin()
    const known = this.#inside.peer(this.#user)
    const trust = { own: this.#inside.own, theirs: this.#theirs, pin: known.pin, at: { mine: known.mine, theirs: known.theirs } }
    const found = look(this.#messages, { complete: !this.more, notices: [...this.#notices, ...this.#forks], trust })
    this.#at = { mine: found.mine, theirs: found.theirs }
    // What stands already waits no more, even where the answer is still on its way.
    const stands = ({ sealed }) => sealed && this.#standing(sealed.counter, sealed.hash)
    const waiting = this.#pending.filter((one) => one.body.type === "text" && !stands(one))
    this.#show([...found.items, ...waiting.map(pendingItem)])
    this.#alarm(found.notices)
    this.#tellPeer()
    const further = (at, now) => now.counter > at.counter
    if (further(known.mine, found.mine) || further(known.theirs, found.theirs)) {
      await this.#inside.note(this.#user, ({ pin, mine, theirs }) => ({
        pin,
        mine: further(mine, found.mine) ? found.mine : mine,
        theirs: further(theirs, found.theirs) ? found.theirs : theirs,
      }))
    }
  }

  // Whether a message of one's own stands at this place.
  #standing(counter, hash) {
    return this.#messages.some((message) => message.mine && message.counter === counter && same(message.hash, hash))
  }

  // First use: the newest key of the other, once a message of theirs is there or one is sent.
  async #pin(needed = this.#messages.some(({ opened }) => opened)) {
    const newest = this.#theirs.at(-1)
    if (!needed || !newest || this.#inside.peer(this.#user).pin) return
    const after = Math.max(0, ...this.#messages.filter(({ mine, opened }) => opened && !mine).map(({ counter }) => counter))
    await this.#inside.note(this.#user, (known) => (known.pin ? null : { ...known, pin: pinOf(newest, newest.generation > 1 ? after : 0) }))
  }

  #show(items) {
    const before = new Map(this.items.map((item) => [item.key, JSON.stringify(item)]))
    const keys = items.filter((item) => before.get(item.key) !== JSON.stringify(item)).map(({ key }) => key)
    const now = new Set(items.map(({ key }) => key))
    for (const key of before.keys()) if (!now.has(key)) keys.push(key)
    this.items = items
    if (keys.length > 0) this.#tell("change", { keys })
  }

  #alarm(notices) {
    const alarms = notices.map((notice) => ({
      code: notice.code,
      sentence: noticeSentence(notice),
      counters: notice.whose ? { mine: notice.whose === "mine", first: notice.first, last: notice.last } : null,
    }))
    if (this.#inside.alarm) alarms.unshift({ ...this.#inside.alarm, counters: null })
    const changed = JSON.stringify(alarms) !== JSON.stringify(this.alarms)
    this.alarms = alarms
    if (changed) this.#tell("alarm", {})
  }

  #tellPeer() {
    const { pin } = this.#inside.peer(this.#user)
    const listed = this.#inside.listed(this.#user)
    const newest = this.#theirs.at(-1)
    const changed = pin && newest && newest.generation > pin.generation ? { from: pin.generation, to: newest.generation, at: newest.at } : null
    const peer = {
      name: this.#user,
      colour: listed?.colour ?? this.peer.colour,
      state: this.#state,
      muted: listed?.muted ?? false,
      blocked: listed?.blocked ?? false,
      keyless: this.#theirs.length === 0,
      pin: pin ? { generation: pin.generation, compared: pin.compared } : null,
      changed,
      compared: Boolean(pin?.compared) && !changed,
    }
    const before = JSON.stringify(this.peer)
    this.peer = peer
    if (JSON.stringify(peer) !== before) this.#tell("peer", {})
  }

  // ── what arrives ─────────────────────────────────────────────────────────────────────────────

  #listen() {
    if (this.#ends.length > 0) return
    const live = {
      "live:dm_message": this.#arrived,
      "live:dm_deleted": this.#deleted,
      "live:dm_typing": ({ detail }) => this.#typed(detail, true),
      "live:dm_stop_typing": ({ detail }) => this.#typed(detail, false),
      "live:dm_unread": this.#marked,
      "live:connected": () => this.#caughtUp(),
      "live:resync": () => this.#caughtUp(),
    }
    for (const [event, heard] of Object.entries(live)) document.addEventListener(event, heard)
    this.#ends.push(() => Object.entries(live).forEach(([event, heard]) => document.removeEventListener(event, heard)))
  }

  /** Stops listening; for pages that put another conversation in place. */
  close() {
    for (const end of this.#ends.splice(0)) end()
    clearTimeout(this.#again)
    this.#again = null
    this.#loading = null
    this.loaded = false
  }

  /** What others in this page found out: "listed", "log", "alarm", "notebook", "pending". */
  async heed(what) {
    if (!this.loaded) return
    await this.#serially(async () => {
      if (what === "log") {
        await this.#readTheirs()
        await this.#findHeads()
        await this.#checkForks()
      }
      if (what === "listed") this.#state = this.#inside.listed(this.#user)?.state ?? this.#state
      if (what === "pending") this.#pending = await this.#inside.store.pending(this.#user)
      await this.#settle()
    })
  }

  #arrived = ({ detail }) => {
    if (detail.with !== this.#user || !this.loaded) return
    this.#typed(detail, false)
    this.#serially(async () => {
      let shown
      try {
        shown = readShown(detail)
      } catch {
        return this.#catchUp()
      }
      if (this.#messages.some((known) => known.shown.seq === shown.seq && known.shown.id === shown.id)) return
      // What doesn't follow what is here follows what was missed.
      await (shown.seq <= this.#last || this.#follows(shown) ? this.#takeOne(detail) : this.#catchUp())
    }).catch((error) => this.#held(error))
  }

  // The newest that is here, in the server's order. There is no gap below it: what comes is taken only where it follows.
  get #last() {
    return this.#messages.at(-1)?.shown.seq ?? 0
  }

  #follows({ seq }) {
    return seq === this.#last + 1
  }

  async #takeOne(message) {
    await this.#take([message])
    this.lastSeq = Math.max(this.lastSeq, this.#last)
    await this.#settle()
    // The first message makes it a request, and an answer opens it.
    if (this.#state !== "open" || this.#messages.length === 1) this.#relist()
  }

  async #relist() {
    await this.#inside.list().catch(() => {})
    await this.heed("listed")
  }

  // Fetches what came after the newest that is here.
  async #catchUp() {
    for (let more = true, nth = 0; more && nth < PAGES_MOST; nth++) {
      const last = this.#last
      const page = await this.#page(`after=${last}&limit=${BATCH}`)
      await this.#take(page.messages)
      more = page.more && this.#last > last
    }
    await this.#settle()
  }

  async #caughtUp() {
    if (!this.loaded) return
    await this.#serially(() => this.#catchUp()).catch((error) => this.#held(error))
    this.sendWaiting()
  }

  #deleted = ({ detail }) => {
    if (detail.with !== this.#user || !this.loaded || !Array.isArray(detail.ids)) return
    const ids = new Set(detail.ids)
    this.#serially(async () => {
      const changed = this.#messages.filter(({ shown }) => ids.has(shown.id)).map(({ shown }) => shown.seq)
      for (const seq of changed.slice(-BATCH)) await this.#take((await this.#page(`after=${seq - 1}&limit=1`)).messages)
      await this.#settle()
    }).catch((error) => this.#held(error))
  }

  #typed({ with: user }, on) {
    if (user === this.#user) this.#tell("typing", { on })
  }

  #marked = ({ detail: { with: user, read_seq } }) => {
    if (user !== this.#user || !isWhole(read_seq)) return
    this.readSeq = Math.max(this.readSeq, read_seq)
  }

  // ── sending ──────────────────────────────────────────────────────────────────────────────────

  /** Sends a text and files; answers when it waits as an item with `pending: true`, which goes away by itself once it is stored. Throws `Refused` or
   *  `Malformed` with a sentence where it can't be sent as it is. `reply` is an item. */
  async send({ text = "", reply = null, files = [] }) {
    await this.load()
    const clean = text.toWellFormed().replaceAll("\r\n", "\n").replace(/[^\P{Cc}\t\n]/gu, "")
    if (clean.trim() === "" && files.length === 0) throw new Refused("There is nothing to send: write something, or add a file.")
    const length = [...clean].length
    if (length > TEXT_MOST) throw new Refused(`That is ${length} characters: at most ${TEXT_MOST} fit in one message.`)
    if (files.length > FILES_MOST) throw new Refused(`At most ${FILES_MOST} files go with one message.`)
    const sealed = []
    for (const file of files) sealed.push(await sealChosen(file))
    const body = { type: "text", at: Date.now(), text: clean }
    if (reply) body.reply = { of: reply.mine ? "mine" : "theirs", counter: reply.counter }
    if (sealed.length > 0) body.files = sealed.map(({ described }) => described)
    await this.#wait({ body, uploads: sealed.map(({ bytes }) => bytes) })
  }

  /** Says something else in place of one's own message. Done when it is stored. */
  async edit(counter, text) {
    const clean = text.toWellFormed().replaceAll("\r\n", "\n").replace(/[^\P{Cc}\t\n]/gu, "")
    if (clean.trim() === "") throw new Refused("Write what it should say, or remove the message.")
    const length = [...clean].length
    if (length > TEXT_MOST) throw new Refused(`That is ${length} characters: at most ${TEXT_MOST} fit in one message.`)
    await this.#andStored({ body: { type: "edit", at: Date.now(), target: counter, text: clean } })
  }

  /** Deletes a message: for oneself ("me"), or one's own for both ("both"). Done when it is stored. */
  async remove(item, scope) {
    const message = this.#messages.find(({ shown }) => shown.id === item.id)
    if (!message) return
    if (scope === "both") {
      const edits = this.#messages.filter(({ mine, opened }) => mine && opened?.said.type === "edit" && opened.said.target === item.counter)
      const named = [message, ...edits].slice(0, 64)
      const body = { type: "delete", at: Date.now(), targets: named.map(({ counter }) => counter) }
      return this.#andStored({ body, drop: named.map(({ shown }) => shown.id) })
    }
    if (!message.hash) throw new Refused("This can't be deleted: it has no place in the conversation.")
    const tag = toBase64url(await hidingTag(this.#inside.keys.at(-1), message.hash))
    await this.#ask(() => postJson(`${this.#address}/messages/delete`, { messages: [{ id: item.id, tag }], scope: "me" }))
    await this.#serially(async () => {
      const page = await this.#page(`after=${item.seq - 1}&limit=1`)
      await this.#take(page.messages)
      await this.#settle()
    })
  }

  /** Shows one message of theirs to the operator, with the proof that they sent it. */
  async report(item, reason) {
    const message = this.#messages.find(({ shown, mine }) => shown.id === item.id && !mine)
    if (!message?.opened) throw new Refused("Only what the other wrote, and what can be read, can be reported.")
    const { body, key } = message.opened
    await this.#ask(() => postJson(`${this.#address}/report`, { id: item.id, body: toBase64url(body), key: toBase64url(key), reason }))
  }

  /** Tries an item again that was refused. */
  async retry(item) {
    const waiting = this.#pending.find(({ id }) => pendingKey(id) === item.key)
    if (!waiting) return
    // The server may have dropped its files meanwhile.
    const { files } = waiting.body
    const body = files ? { ...waiting.body, files: files.map((file) => ({ ...file, id: "" })) } : waiting.body
    await this.#inside.store.putPending({ ...waiting, body, failed: null, tries: 0 })
    await this.#pendingChanged()
    this.sendWaiting()
  }

  /** Gives up an item that wasn't sent; answers its text. */
  async discard(item) {
    const waiting = this.#pending.find(({ id }) => pendingKey(id) === item.key)
    if (!waiting) return ""
    await this.#inside.store.dropPending(waiting.id)
    await this.#pendingChanged()
    return waiting.body.text ?? ""
  }

  async #pendingChanged() {
    tell({ kind: "pending", user: this.#user })
    await this.heed("pending")
  }

  async #wait({ id = pendingId(), body, uploads = [], drop = [] }) {
    try {
      await this.#inside.store.putPending({ id, with: this.#user, body, uploads, drop, sealed: null, stored: false, failed: null })
    } catch (error) {
      if (error instanceof DOMException) throw new Refused("This device has no room left to keep that until it is sent.")
      throw error
    }
    await this.#pendingChanged()
    this.sendWaiting()
  }

  async #andStored(waiting) {
    await this.load()
    const id = pendingId()
    const stored = new Promise((resolve, reject) => this.#waiters.set(id, { resolve, reject }))
    await this.#wait({ id, ...waiting })
    await stored
  }

  /** Sends what waits, in order; one tab at a time. */
  async sendWaiting() {
    this.#asked = true
    if (this.#sending) return
    this.#sending = true
    // What came to wait while the last of the others was on its way is seen in another round.
    while (this.#asked) {
      this.#asked = false
      await this.#sendAll().catch((error) => {
        this.#sending = false
        throw error
      })
    }
    this.#sending = false
  }

  async #sendAll() {
    clearTimeout(this.#again)
    this.#again = null
    try {
      if ((await this.#inside.store.pending(this.#user)).every(({ failed }) => failed)) return
      await this.load()
      await navigator.locks.request(`neospace-dm:send:${this.#user}`, async () => {
        for (;;) {
          const waiting = (await this.#inside.store.pending(this.#user)).find(({ failed }) => !failed)
          if (!waiting || this.#isStopped()) return
          await this.#deliver(waiting)
        }
      })
    } catch (error) {
      this.#held(error)
    }
  }

  // The line or the server holds it up: it is tried again.
  #held(error) {
    if (!(error instanceof Offline || error instanceof Denied || error instanceof Alarm)) throw error
    if (isFinal(error)) return
    this.#again ??= setTimeout(() => this.sendWaiting(), (error.retryAfter ?? 0) * 1000 || AGAIN_MS)
  }

  #isStopped() {
    return this.alarms.some(({ code }) => STOPS.has(code))
  }

  // Sends one that waits, whole: its files, itself, and what it removes.
  async #deliver(waiting) {
    const keep = async (change) => {
      await this.#inside.store.putPending(Object.assign(waiting, change))
      this.#pending = this.#pending.map((one) => (one.id === waiting.id ? { ...waiting } : one))
    }
    try {
      await this.#upload(waiting, keep)
      for (let nth = 0; !waiting.stored; nth++) {
        if (nth === SEALS_MOST) throw new Denied(409, { detail: "The server doesn't take it: it says that another message stands in its place, and doesn't show it." })
        if (!waiting.sealed) await keep({ sealed: await this.#seal(waiting.body) })
        await this.#post(waiting, keep)
      }
      if (waiting.drop.length > 0) await this.#ask(() => postJson(`${this.#address}/messages/delete`, { messages: waiting.drop.map((id) => ({ id })), scope: "both" }))
      await this.#inside.store.dropPending(waiting.id)
      await this.#pendingChanged()
      this.#waiters.get(waiting.id)?.resolve()
      this.#waiters.delete(waiting.id)
    } catch (error) {
      if (!isFinal(error)) throw error
      const waiter = this.#waiters.get(waiting.id)
      // Who waits for the answer gets it; else it stands with the item.
      if (waiter) await this.#inside.store.dropPending(waiting.id)
      else await keep({ failed: error.message, sealed: null })
      await this.#pendingChanged()
      waiter?.reject(error)
      this.#waiters.delete(waiting.id)
    }
  }

  async #upload(waiting, keep) {
    for (const [nth, bytes] of waiting.uploads.entries()) {
      if (waiting.body.files[nth].id) continue
      const answer = await this.#ask(() => postBytes(`${this.#address}/files`, bytes))
      if (!isFileId(answer?.id)) throw new Denied(502, { detail: "The server did not say where it put a file." })
      const files = waiting.body.files.with(nth, { ...waiting.body.files[nth], id: answer.id })
      await keep({ body: { ...waiting.body, files } })
    }
  }

  // Seals a body at the next place of one's stream.
  async #seal(body) {
    return this.#serially(async () => {
      if (this.#theirs.length === 0) throw new Refused(`${this.#user} has no keys yet: they are made when ${this.#user} logs in the next time.`)
      await this.#pin(true)
      const { pin } = this.#inside.peer(this.#user)
      await this.#settle()
      if (this.#isStopped()) throw new Offline()
      const { mine, theirs } = this.#at
      const me = { name: this.#me, keys: this.#inside.keys.at(-1) }
      const place = { counter: mine.counter + 1, previous: mine.hash, seen: theirs, log: this.#inside.log }
      const sealed = await seal(me, { name: this.#user, identity: pin.identity }, place, encodeBody(body))
      return { ...sealed, counter: place.counter, files: (body.files ?? []).map(({ id }) => id) }
    })
  }

  async #post(waiting, keep) {
    const { header, recipient, sender, files, hash, counter } = waiting.sealed
    const fields = { header: toBase64url(header), recipient: toBase64url(recipient), sender: toBase64url(sender) }
    if (files.length > 0) fields.files = files
    try {
      const stored = await this.#ask(() => postJson(`${this.#address}/messages`, fields))
      await this.#serially(async () => {
        if (this.#standing(counter, hash)) return
        await (this.#follows(stored ?? {}) ? this.#takeOne(stored) : this.#catchUp())
      })
      // "Stored" is the server's word: it counts once the message stands where it belongs.
      if (!this.#standing(counter, hash)) throw new Denied(502, { detail: "The server says that it has stored this, and doesn't show it." })
      await this.#stored(waiting, keep)
    } catch (error) {
      if (!(error instanceof Denied) || error.status !== 409) throw error
      if (error.code !== "counter_taken") return this.#sealAnew(waiting, keep, error)
      await this.#serially(() => this.#catchUp())
      // It is sealed anew only once another message of one's own is seen in its place.
      const there = this.#messages.find((message) => message.mine && message.counter === counter)
      if (there && same(there.hash, hash)) await this.#stored(waiting, keep)
      else if (there?.opened || there?.gone) await keep({ sealed: null })
      else throw new Denied(503, { detail: "Another device of yours was faster, and the server doesn't show what it sent." })
    }
  }

  // What is to be dropped besides must not be forgotten.
  async #stored(waiting, keep) {
    if (waiting.drop.length > 0) await keep({ stored: true })
    waiting.stored = true
  }

  // The server holds that what was sealed names a key, a head of the log, or a message that is not the newest: it is sealed anew once all of
  // that was fetched. (A server that kept it all the same, and shows it later, breaks the chain of hashes for whom it shows it to.)
  async #sealAnew(waiting, keep, error) {
    const tries = (waiting.tries ?? 0) + 1
    if (tries > TRIES_MOST) throw new Refused(error.message)
    await this.#inside.readLog()
    await this.#serially(async () => {
      await this.#readTheirs()
      await this.#catchUp()
    })
    await keep({ sealed: null, tries })
  }

  // ── reading, typing, drafts ──────────────────────────────────────────────────────────────────

  /** Marks everything up to here as read. */
  async read(seq) {
    if (seq <= this.readSeq) return
    this.readSeq = seq
    if (!say({ event: "dm_read", with: this.#user, seq })) await postJson(`${this.#address}/read`, { seq }).catch(() => {})
  }

  typing(on) {
    say({ event: on ? "dm_typing" : "dm_stop_typing", with: this.#user })
  }

  /** What was being written here, on this device. */
  draft() {
    return this.#inside.store.draft(this.#user)
  }

  keepDraft(text) {
    return this.#inside.store.setDraft(this.#user, text)
  }

  // ── the other's key, and standing ────────────────────────────────────────────────────────────

  /** Accepts the other's newest key, after the member has read what that means. */
  async acceptKey() {
    await this.#serially(async () => {
      const newest = this.#theirs.at(-1)
      if (!newest) return
      const after = this.#at?.theirs.counter ?? 0
      await this.#inside.note(this.#user, (known) => (known.pin && known.pin.generation >= newest.generation ? null : { ...known, pin: pinOf(newest, after) }))
      await this.#settle()
    })
    this.sendWaiting()
  }

  /** Marks that the safety numbers were compared, or that not. */
  async setCompared(compared) {
    await this.#serially(async () => {
      await this.#pin(true)
      await this.#inside.note(this.#user, (known) => (known.pin ? { ...known, pin: { ...known.pin, compared } } : null))
      await this.#settle()
    })
  }

  /** `{ digits: twelve groups of five, qr: rows of booleans with their quiet zone }`; null while the other has no keys. */
  async safetyNumber() {
    // Of new keys the number is theirs: it is what one compares before one accepts them.
    const { pin } = this.#inside.peer(this.#user)
    const newest = this.#theirs.at(-1)
    const theirs = pin && !(newest?.generation > pin.generation) ? pin : newest
    if (!theirs) return null
    const digits = await safetyDigits({ name: this.#me, ...this.#inside.keys.at(-1) }, { name: this.#user, identity: theirs.identity, signing: theirs.signing })
    return { digits, qr: await qrMatrix(safetyText(this.#me, this.#user, digits)) }
  }

  accept() {
    return this.#change("accept")
  }

  decline() {
    return this.#change("decline")
  }

  block() {
    return this.#change("block")
  }

  unblock() {
    return this.#change("unblock")
  }

  mute() {
    return this.#change("mute")
  }

  unmute() {
    return this.#change("unmute")
  }

  async #change(what) {
    await this.#ask(() => postJson(`${this.#address}/${what}`))
    await this.#inside.list()
    await this.heed("listed")
  }

  // ── looking for something, and files ─────────────────────────────────────────────────────────

  /** All items that hold all of these words, newest first; loads the whole history as it goes. */
  async *search(words) {
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean)
    if (wanted.length === 0) return
    await this.load()
    const told = new Set()
    for (;;) {
      for (const item of this.items.toReversed()) {
        if (told.has(item.key)) continue
        told.add(item.key)
        const text = [item.text, ...item.files.map(({ name }) => name)].join("\n").toLowerCase()
        if (wanted.every((word) => text.includes(word))) yield item
      }
      if (!this.more) return
      await this.older()
    }
  }

  /** An item's file, opened: a picture keeps its type, all else is `application/octet-stream`. `onProgress` gets a share from 0 to 1. */
  async file(item, nth, onProgress = () => {}) {
    const { id, key, size } = item.files[nth]
    const length = sealedLength(size)
    const sealed = await this.#ask(() => getBytes(`${this.#address}/files/${id}`, length, (got) => onProgress(Math.min(1, got / length))))
    try {
      return asBlob(await openFile(fromBase64url(key, 32), size, sealed))
    } catch (error) {
      if (error instanceof Malformed) throw new Refused("This file can't be opened: it was altered or cut off on its way.")
      throw error
    }
  }

  /** What the list of conversations shows of this one. */
  preview() {
    return previewOf(this.items.filter(({ pending }) => !pending))
  }

  // ── helpers ──────────────────────────────────────────────────────────────────────────────────

  // One thing after the other: what is computed from what is loaded must not change meanwhile.
  #serially(work) {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => {})
    return done
  }

  async #ask(request) {
    try {
      return await request()
    } catch (error) {
      if (error instanceof Denied && error.status === 401) await this.#inside.out()
      throw error
    }
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }))
  }
}

/** What the list shows of a conversation that isn't loaded: `{ text, mine, files, deleted, alarm }`, or null. */
export async function preview(inside, user, lastSeq) {
  if (lastSeq === 0) return null
  const { messages } = (await getJson(`/dm/${user}/messages?limit=8`)) ?? {}
  if (!Array.isArray(messages)) return null
  const context = { me: inside.name, peer: user, generations: inside.keys }
  const read = await Promise.all(messages.slice(-8).map((one) => readMessage(readShown(one), context)))
  // Who writes for the first time may have made their keys just now.
  if (read.some(({ header }) => header && header.log.size > inside.log.size)) await inside.readLog()
  const theirs = await entriesOf(inside.store, user)
  const known = inside.peer(user)
  const pin = known.pin ?? (theirs.length > 0 ? pinOf(theirs.at(-1), Infinity) : null)
  const trust = { own: inside.own, theirs, pin, at: { mine: known.mine, theirs: known.theirs } }
  return previewOf(look(read, { complete: false, notices: [], trust }).items)
}

function previewOf(items) {
  const item = items.at(-1)
  if (!item) return null
  return { text: item.text, mine: item.mine, files: item.files.length, deleted: item.deleted, alarm: item.alarm }
}

function pinOf({ index, generation, identity, signing }, after) {
  return { index, generation, identity, signing, compared: false, after }
}

// Whether it makes no sense to try again what failed so.
function isFinal(error) {
  if (error instanceof Denied) return error.status >= 400 && error.status < 500 && ![401, 408, 409, 425, 429].includes(error.status)
  return error instanceof Malformed || (error instanceof Refused && !(error instanceof Offline || error instanceof Alarm))
}

// Sorts by age; two tabs don't make the same.
function pendingId() {
  return `${String(Date.now()).padStart(15, "0")}-${toBase64url(random(9))}`
}

function pendingKey(id) {
  return `pending:${id}`
}

function pendingItem({ id, body, failed }) {
  const files = (body.files ?? []).map((file) => ({ width: null, height: null, ...file }))
  return { key: pendingKey(id), mine: true, counter: 0, seq: 0, id: 0, at: body.at, storedAt: null, text: body.text, edited: false, history: [], reply: null, files, deleted: null, unknown: false, pending: true, failed, alarm: null }
}

async function sealChosen(file) {
  const { bytes, name, type, width, height } = await prepareFile(file)
  const { key, sealed } = await sealFile(bytes)
  const described = { id: "", key: toBase64url(key), size: bytes.length, name, type }
  if (width !== null) Object.assign(described, { width, height })
  return { bytes: sealed, described }
}
