// What this device keeps: keys that can't be read out, the key log, the notebook, drafts and what waits to be sent. One IndexedDB
// database, deleted at log-out and by every page that finds nobody or somebody else logged in (wipe.js). What the member wrote is
// sealed under a key of this device, so that what a browser leaves of a deleted database is no text.
import { fromUtf8, random, utf8 } from "./bytes.js"
import { DATABASE, OWNER } from "./wipe.js"

const VERSION = 1
const NEVER = new Promise(() => {})
/** Heads outside the log that are remembered of one conversation. */
const FORKS_MOST = 20

/** Opens the store, making it where there is none. */
export async function openStore() {
  const db = await new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, VERSION)
    opening.onupgradeneeded = () => {
      const made = opening.result
      made.createObjectStore("own")
      made.createObjectStore("log", { keyPath: "index" }).createIndex("name", "name")
      made.createObjectStore("drafts")
      made.createObjectStore("pending", { keyPath: "id" }).createIndex("with", "with")
    }
    opening.onsuccess = () => resolve(opening.result)
    opening.onerror = () => reject(opening.error)
  })
  return new Store(db)
}

class Store {
  #db
  #closed = false

  constructor(db) {
    this.#db = db
    // Whoever deletes the database must not wait for this page.
    db.onversionchange = () => this.close()
  }

  /** Nothing that is asked for after this is ever answered: the page goes away, or what asked for it has. */
  close() {
    this.#closed = true
    this.#db.close()
  }

  // ── the account ──────────────────────────────────────────────────────────────────────────────

  /** `{ name, keys, device }`: the keys by generation, oldest first (keys.js), and this device's own; undefined while there are none. */
  account() {
    return this.#get("own", "account")
  }

  /** Keeps the keys of an account, in place of whatever there was of them. */
  async setAccount(name, keys) {
    const known = await this.account()
    const device = known?.device ?? (await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]))
    await this.#put("own", { name, keys, device }, "account")
    localStorage.setItem(OWNER, name)
  }

  // ── the key log ──────────────────────────────────────────────────────────────────────────────

  /** `{ size, head, at }` of the known log. */
  async logHead() {
    return (await this.#get("own", "log")) ?? { size: 0, head: new Uint8Array(32), at: 0 }
  }

  /** Adds checked entries, and what the head is then, in one. */
  async addLog(entries) {
    const { index, hash, at } = entries.at(-1)
    await this.#write(["log", "own"], ({ log, own }) => {
      for (const entry of entries) log.put(entry)
      own.put({ size: index, head: hash, at }, "log")
    })
  }

  /** The hash of an entry. */
  async logHash(index) {
    return (await this.#get("log", index))?.hash
  }

  /** The entries of a name, oldest first. */
  logOf(name) {
    return this.#all("log", "name", name)
  }

  // ── the notebook ─────────────────────────────────────────────────────────────────────────────

  /** `{ version, hash, put, book }`: what was last agreed with the server (`put`, whose sealed bytes have this hash), and with what was learnt
   *  since; undefined on a new device. */
  notebook() {
    return this.#get("own", "notebook")
  }

  setNotebook({ version, hash, put, book }) {
    // What is kept of one must not change with the other, and a clone keeps what two have in common.
    return this.#put("own", { version, hash, put: copyOf(put), book: copyOf(book) }, "notebook")
  }

  /** Heads that messages of a conversation named and that don't lie in the log: `[{ whose, counter, size, head }]`. Their alarm stays, also where
   *  the message isn't loaded. */
  async forks(user) {
    return (await this.#get("own", `forks ${user}`)) ?? []
  }

  setForks(user, forks) {
    return this.#put("own", forks.slice(0, FORKS_MOST), `forks ${user}`)
  }

  // ── what was written and not sent ────────────────────────────────────────────────────────────

  /** What is being written to somebody. */
  async draft(to) {
    const sealed = await this.#get("drafts", to)
    return sealed ? this.#open(sealed) : ""
  }

  async setDraft(to, text) {
    if (text) await this.#put("drafts", await this.#seal(text), to)
    else await this.#write(["drafts"], ({ drafts }) => drafts.delete(to))
  }

  /** What waits to be sent to somebody, in order; to anybody, without a name. `body` is an object, sealed while it is kept. */
  async pending(to) {
    const kept = await (to === undefined ? this.#all("pending") : this.#all("pending", "with", to))
    return Promise.all(kept.map(async ({ body, ...rest }) => ({ ...rest, body: JSON.parse(await this.#open(body)) })))
  }

  /** Keeps one that waits, under its `id`; ids sort by age. */
  async putPending({ body, ...rest }) {
    const kept = { ...rest, body: await this.#seal(JSON.stringify(body)) }
    return this.#write(["pending"], ({ pending }) => pending.put(kept))
  }

  dropPending(id) {
    return this.#write(["pending"], ({ pending }) => pending.delete(id))
  }

  async #seal(text) {
    const { device } = await this.account()
    const iv = random(12)
    return { iv, sealed: await crypto.subtle.encrypt({ name: "AES-GCM", iv }, device, utf8(text)) }
  }

  async #open({ iv, sealed }) {
    const { device } = await this.account()
    return fromUtf8(new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, device, sealed)))
  }

  // ── IndexedDB with promises ──────────────────────────────────────────────────────────────────

  #get(store, key) {
    if (this.#closed) return NEVER
    return answer(this.#db.transaction(store).objectStore(store).get(key))
  }

  #all(store, index, key) {
    if (this.#closed) return NEVER
    const objects = this.#db.transaction(store).objectStore(store)
    return answer(index ? objects.index(index).getAll(key) : objects.getAll())
  }

  #put(store, value, key) {
    return this.#write([store], (stores) => stores[store].put(value, key))
  }

  // Durable before it resolves: a message that is shown as kept is kept.
  #write(names, change) {
    if (this.#closed) return NEVER
    return new Promise((resolve, reject) => {
      const transaction = this.#db.transaction(names, "readwrite", { durability: "strict" })
      const request = change(Object.fromEntries(names.map((name) => [name, transaction.objectStore(name)])))
      transaction.oncomplete = () => resolve(request?.result)
      transaction.onabort = transaction.onerror = () => reject(transaction.error)
    })
  }
}

function copyOf({ log, peers }) {
  return { log: { ...log }, peers: new Map(peers) }
}

function answer(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}
