// One member's direct messages, for the page: whether this device has the keys, the conversations, recovery and new keys. The only
// module here that the elements in ui/js/dms import. What it throws is a sentence for people: `Alarm`, `Denied`, `Offline` or `Refused`.
import { askKeys, enter, makeRecovery, prove, replaceKeys, storeOf } from "./account.js"
import { Alarm, sentence } from "./alarms.js"
import { fromBase64url, isName, isWhole, Malformed, same, sha256, toBase64url } from "./bytes.js"
import { Conversation, preview } from "./conversation.js"
import { isAble } from "./keys.js"
import { entriesOf, syncLog } from "./log.js"
import { Denied, getJson, Offline, putJson } from "./net.js"
import { contains, NOWHERE, sealNotebook } from "./notebook.js"
import { changing, mergeNotebook, putting, takeNotebook } from "./sync.js"
import { heed, tell, wipe } from "./wipe.js"

export { Alarm, Denied, Offline, sentence }
export { Refused } from "../accounts/derive.js"

/** How long what was learnt waits before it goes to the other devices, in milliseconds. */
const NOTE_MS = 2000
/** How often a notebook is merged and put again. */
const MERGES_MOST = 5
/** Previews that are fetched at once. */
const AT_ONCE = 6

/** Opens the member's messages on this device:
 *  `{ state: "ready", client }`;
 *  `{ state: "locked", newer }`: the password is needed (`newer`: because new keys were made on another device);
 *  `{ state: "none" }`: the account has no keys yet, the password makes them;
 *  `{ state: "stopped", alarm: { code, sentence } }`;
 *  `{ state: "unable" }`: this browser lacks what it takes; `{ state: "offline" }`; `{ state: "out" }`: nobody is logged in. */
export async function openClient() {
  if (!window.isSecureContext || !(await isAble())) return { state: "unable" }
  try {
    const told = await askKeys()
    const store = await storeOf(told.name)
    const opened = await open(told, store)
    if (opened.state !== "ready") store.close()
    return opened
  } catch (error) {
    if (error instanceof Alarm) return { state: "stopped", alarm: { code: error.code, sentence: error.message } }
    if (error instanceof Denied && error.status === 401) {
      await wipe()
      return { state: "out" }
    }
    if (error instanceof Offline || error instanceof Denied) return { state: "offline" }
    // A browser that keeps no database, as some do in private windows.
    if (error instanceof DOMException) return { state: "unable" }
    throw error
  }
}

async function open(told, store) {
  const [account] = await Promise.all([store.account(), syncLog(store)])
  const own = await entriesOf(store, told.name)
  if (told.generation === 0 && own.length > 0) throw new Alarm("own_key")
  if (told.generation === 0) return account ? stopped("wrapped") : { state: "none" }
  if (own.length === 0) throw new Alarm("wrapped")
  if (!account) return { state: "locked", newer: false }
  if (checkOwn(account.keys, own) === "newer") return { state: "locked", newer: true }
  const client = new Client(told, store, account.keys)
  await client.start(told)
  return { state: "ready", client }
}

function stopped(code) {
  throw new Alarm(code)
}

// Whether the log has the keys of this device under one's name, and no others: true, or "newer" where it has more, which the ones known
// have signed.
function checkOwn(keys, own) {
  const made = keys.every(({ identity, signing }, nth) => own[nth] && same(identity, own[nth].identity) && same(signing, own[nth].signing))
  if (!made) throw new Alarm("own_key")
  return own.length === keys.length || "newer"
}

/** Makes or unwraps the keys with the password that was typed, and keeps them on this device. `openClient` is ready then. Throws `Refused`, an alarm,
 *  or what net.js throws. */
export async function unlock(password) {
  try {
    const { name } = await askKeys()
    const { wrap } = await prove(name, password)
    await enter(name, wrap)
  } catch (error) {
    // A parameter below the minimum is an alarm, and a refusal to use the password.
    if (error?.code === "kdf" && !(error instanceof Denied)) throw new Alarm("kdf")
    throw error
  }
}

/** Ends everything on this device: called where somebody logs out. */
export { wipe }

export class Client extends EventTarget {
  /** The member. */
  name
  /** Whether there is a recovery code. */
  recovery
  /** What stops everything: `{ code, sentence }` or null. Event "alarm" tells of it. */
  alarm = null

  #store
  #keys
  #own = []
  #notebook
  #log
  #noting = null
  #conversations = new Map()
  #listed = new Map()
  #ends = []

  constructor({ name, recovery }, store, keys) {
    super()
    this.name = name
    this.recovery = recovery
    this.#store = store
    this.#keys = keys
  }

  /** Called once by `openClient`. */
  async start(told) {
    this.#own = await entriesOf(this.#store, this.name)
    this.#log = await this.#store.logHead()
    this.#notebook = await changing(() => takeNotebook(this.#store, this.name, this.#keys, told, askKeys))
    const live = { "live:key_log": this.#readLog, "live:connected": this.#connected, "live:resync": this.#readLog, "live:dm_changed": this.#relist }
    for (const [event, heard] of Object.entries(live)) document.addEventListener(event, heard)
    this.#ends.push(() => Object.entries(live).forEach(([event, heard]) => document.removeEventListener(event, heard)))
    this.#ends.push(heed(this.#elsewhere))
    this.#sendWaiting()
  }

  /** Lets go of everything; what waits is sent the next time. */
  close() {
    for (const end of this.#ends.splice(0)) end()
    for (const conversation of this.#conversations.values()) conversation.close()
    clearTimeout(this.#noting)
    this.#store.close()
  }

  /** All conversations, newest first: `[{ with, colour, avatar, at, state, muted, blocked, unread, last_seq, read_seq, preview }]`; a preview is
   *  `{ text, mine, files, deleted, alarm }`, or null where there is nothing to show. */
  async conversations() {
    const listed = await this.#list()
    const waiting = [...listed]
    const fetchSome = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) next.preview = await this.#preview(next).catch(() => null)
    }
    await Promise.all(Array.from({ length: AT_ONCE }, fetchSome))
    return listed
  }

  /** The conversation with somebody; always the same object. */
  conversation(user) {
    if (!isName(user) || user === this.name) throw new RangeError(`no conversation with ${user}`)
    if (!this.#conversations.has(user)) this.#conversations.set(user, new Conversation(this.#inside(), user))
    return this.#conversations.get(user)
  }

  /** A new recovery code, once the password is right: `{ code, groups, ask: [2, 6], check({ 2: "ABCD", 6: "…" }) }`. It counts only
   *  when `check` answers true. */
  async makeRecoveryCode(password) {
    const made = await makeRecovery(await prove(this.name, password))
    const check = async (typed) => {
      const right = await made.check(typed)
      if (right) this.recovery = true
      return right
    }
    return { ...made, check }
  }

  /** Makes new keys, once the password is right. The recovery code is void then: make another one. */
  async makeNewKeys(password) {
    const proof = await prove(this.name, password)
    await replaceKeys(proof)
    await this.#reopen()
  }

  // ── the list ─────────────────────────────────────────────────────────────────────────────────

  async #list() {
    const answer = await getJson("/dm")
    const rows = answer?.conversations
    const listed = (Array.isArray(rows) ? rows : []).map(readListed).filter(Boolean)
    this.#listed = new Map(listed.map((one) => [one.with, one]))
    return listed
  }

  async #preview({ with: user, last_seq: seq }) {
    const known = this.#conversations.get(user)
    if (known?.loaded) return known.preview()
    return preview(this.#inside(), user, seq)
  }

  #relist = async () => {
    await this.#list().catch(() => {})
    for (const conversation of this.#conversations.values()) conversation.heed("listed")
  }

  // What a conversation may use of this.
  #inside() {
    const client = this
    return {
      name: this.name,
      get keys() {
        return client.#keys
      },
      get own() {
        return client.#own
      },
      get alarm() {
        return client.alarm
      },
      get log() {
        return client.#log
      },
      store: this.#store,
      listed: (user) => this.#listed.get(user),
      list: () => this.#list(),
      peer: (user) => this.#notebook.book.peers.get(user) ?? { pin: null, mine: NOWHERE, theirs: NOWHERE },
      note: (user, change) => this.#note(user, change),
      readLog: () => this.#readLog(),
      out: () => this.#out(),
    }
  }

  // ── the key log ──────────────────────────────────────────────────────────────────────────────

  #readLog = async () => {
    try {
      await syncLog(this.#store)
      this.#log = await this.#store.logHead()
      this.#own = await entriesOf(this.#store, this.name)
      if (checkOwn(this.#keys, this.#own) === "newer") await this.#takeKeys()
    } catch (error) {
      if (error instanceof Alarm) this.#stop(error)
      else if (!(error instanceof Offline || error instanceof Denied)) throw error
    }
    for (const conversation of this.#conversations.values()) conversation.heed("log")
  }

  // New keys stand in the log: made here, in this or another tab, or else on another device.
  async #takeKeys() {
    await putting(async () => {
      const account = await this.#store.account()
      if (!account || checkOwn(account.keys, this.#own) === "newer") throw new Alarm("own_key")
      this.#keys = account.keys
      this.#notebook = await this.#store.notebook()
    })
  }

  #stop({ code, message }) {
    if (this.alarm) return
    this.alarm = { code, sentence: message }
    this.dispatchEvent(new CustomEvent("alarm"))
    for (const conversation of this.#conversations.values()) conversation.heed("alarm")
  }

  #connected = ({ detail: { username } }) => {
    if (username !== this.name) return this.#out()
    this.#readLog()
    this.#put()
  }

  async #out() {
    await wipe()
    location.reload()
  }

  // ── the notebook ─────────────────────────────────────────────────────────────────────────────

  // Changes what stands in the notebook about somebody; `change` gets it and answers what it is then, or null for no change.
  async #note(user, change) {
    await changing(async () => {
      const known = await this.#store.notebook()
      this.#notebook = known
      const changed = change(known.book.peers.get(user) ?? { pin: null, mine: NOWHERE, theirs: NOWHERE })
      if (!changed) return
      known.book.peers.set(user, changed)
      if (this.#log.size > known.book.log.size) known.book.log = { size: this.#log.size, head: this.#log.head }
      await this.#store.setNotebook(known)
      tell({ kind: "notebook" })
      this.#noting ??= setTimeout(() => this.#put(), NOTE_MS)
    })
  }

  // Brings what was learnt to the server, for the other devices.
  async #put() {
    clearTimeout(this.#noting)
    this.#noting = null
    if (this.alarm) return
    try {
      await putting(async () => {
        for (let nth = 0; nth < MERGES_MOST; nth++) {
          const { version, put, book } = await this.#store.notebook()
          if (isSameBook(put, book)) return
          const sealed = await sealNotebook(this.#keys.at(-1).notebook, this.name, version + 1, book)
          const newer = await putJson("/dm/notebook", { version: version + 1, notebook: toBase64url(sealed) }).then(() => null, readConflict)
          if (newer && newer.version <= version) throw new Alarm("notebook", "an older one")
          const hash = await sha256(sealed)
          await changing(async () => {
            const known = await this.#store.notebook()
            this.#notebook = newer ? await mergeNotebook(this.#store, this.name, this.#keys, newer) : { version: version + 1, hash, put: book, book: known.book }
            if (!newer) await this.#store.setNotebook(this.#notebook)
          })
          if (!newer) return
        }
      })
    } catch (error) {
      if (error instanceof Alarm) this.#stop(error)
      else if (error instanceof Denied && error.status === 401) this.#out()
      // One that has grown too large stays on this device.
      else if (!(error instanceof Offline || error instanceof Denied || error instanceof Malformed)) throw error
    }
  }

  // ── other tabs, and what waits ───────────────────────────────────────────────────────────────

  #elsewhere = async ({ kind, user }) => {
    if (kind === "wiped") location.reload()
    else if (kind === "keys") await this.#reopen()
    else if (kind === "notebook") {
      this.#notebook = (await this.#store.notebook()) ?? this.#notebook
      for (const conversation of this.#conversations.values()) conversation.heed("notebook")
    } else if (kind === "pending") this.#conversations.get(user)?.heed("pending")
  }

  // New keys were made on this device.
  async #reopen() {
    this.recovery = (await askKeys().catch(() => ({ recovery: false }))).recovery
    await this.#readLog()
  }

  // What waited when a page was closed is sent without its conversation being looked at.
  async #sendWaiting() {
    const waiting = await this.#store.pending()
    for (const user of new Set(waiting.map(({ with: user }) => user))) {
      if (isName(user)) this.conversation(user).sendWaiting()
    }
  }
}

function readListed(one) {
  const { with: user, colour, avatar, last_seq, read_seq, at, state, muted, blocked } = one ?? {}
  if (!isName(user) || !isWhole(last_seq) || !isWhole(read_seq) || !isWhole(at)) return null
  const known = ["new", "open", "request", "asked"].includes(state) ? state : "open"
  const ink = typeof colour === "string" && /^[a-z]{1,20}$/.test(colour) ? colour : "green"
  const face = typeof avatar === "string" && /^[\w-]{1,64}$/.test(avatar) ? avatar : null
  return { with: user, colour: ink, avatar: face, last_seq, read_seq, at, state: known, muted: muted === true, blocked: blocked === true || blocked === "me", unread: last_seq > read_seq, preview: null }
}

function readConflict(error) {
  if (!(error instanceof Denied) || error.status !== 409) throw error
  const { version, notebook } = error.body ?? {}
  try {
    if (!isWhole(version, 1)) throw new Malformed("no version")
    return { version, notebook: fromBase64url(notebook) }
  } catch (wrong) {
    throw new Alarm("notebook", wrong.message)
  }
}

function isSameBook(a, b) {
  return a === b || (a.log.size === b.log.size && contains(a, b) && contains(b, a) && samePins(a, b))
}

function samePins(a, b) {
  for (const [name, { pin }] of b.peers) {
    const other = a.peers.get(name)?.pin
    if (Boolean(pin) !== Boolean(other) || (pin && (pin.compared !== other.compared || pin.generation !== other.generation || pin.after !== other.after))) return false
  }
  return true
}

