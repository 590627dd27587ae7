// The draft on its way to the server. What is typed is kept in this browser at once, and saved a moment later; what the server can't take now
// (the line is down, somebody saved in another window, it is too long) stays here, and the person is told. Nothing that was typed is
// dropped before the server says that it has it.

/** How long typing rests before it is saved, and how long somebody may type without a rest. */
const REST_MS = 1_000
const LONGEST_MS = 5_000
/** Between two attempts when the line is down. */
const FIRST_WAIT_MS = 2_000
const LONGEST_WAIT_MS = 30_000
/** A save that takes longer does not come back. */
const ANSWER_MS = 15_000
/** What another window kept and has not touched for so long was left behind: a crash, a closed lid. */
const LEFT_BEHIND_MS = 60_000

const name = () => [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("")

/** Posts fields and answers { ok, status, body }; status 0: nobody answered. Never throws. */
export async function post(address, fields) {
  try {
    const response = await fetch(address, { method: "POST", headers: { accept: "application/json" }, body: new URLSearchParams(fields), signal: AbortSignal.timeout(ANSWER_MS) })
    const json = response.headers.get("content-type")?.includes("json")
    return { ok: response.ok, status: response.status, body: json ? await response.json() : {} }
  } catch {
    return { ok: false, status: 0, body: {} }
  }
}

/** Why something was refused, in words. */
export function reason({ status, body }) {
  if (status === 0) return "The line is down."
  if (status === 401) return "You are logged out: log in in another tab, and go on here."
  const fields = (body.errors ?? []).map(({ message }) => message)
  return fields.length > 0 ? fields.join(" ") : (body.detail ?? `That did not work (${status}).`)
}

export class Draft {
  #address
  #key
  #window = name()
  #saved // what the server has
  #revision
  #text // () => what stands in the editor
  #tell // ({ kind, … }) => shows how it stands
  #follow // (source) => another window saved, and nothing was typed here
  #clash = null // { revision, source, aside, text }: another window saved first
  #flight = null
  #timer = null
  #typedAt = 0
  #wait = FIRST_WAIT_MS
  #others

  constructor({ id, source, revision, text, tell, follow }) {
    this.#address = `/sandbox/${id}/draft`
    this.#key = `studio:${id}:`
    this.#saved = source
    this.#revision = revision
    this.#text = text
    this.#tell = tell
    this.#follow = follow
    this.#others = new BroadcastChannel(`studio:${id}`)
    this.#others.addEventListener("message", this.#heard)
    addEventListener("online", this.#again)
    document.addEventListener("visibilitychange", this.#turned)
    document.addEventListener("live:refreshed", this.#turned)
    addEventListener("pagehide", this.#leave)
  }

  /** Ends what the constructor began. */
  close() {
    clearTimeout(this.#timer)
    this.#others.close()
    removeEventListener("online", this.#again)
    document.removeEventListener("visibilitychange", this.#turned)
    document.removeEventListener("live:refreshed", this.#turned)
    removeEventListener("pagehide", this.#leave)
  }

  get revision() {
    return this.#revision
  }

  /** Whether the server lacks something that stands in the editor. */
  get dirty() {
    return this.#text() !== this.#saved
  }

  /** What another window saved first: { source, aside }, or null. */
  get clash() {
    return this.#clash
  }

  /** Something was typed. */
  typed() {
    this.#keep()
    if (!this.dirty) return this.#tell({ kind: "saved" })
    this.#tell({ kind: "typing" })
    this.#typedAt ||= Date.now()
    clearTimeout(this.#timer)
    const left = Math.max(0, this.#typedAt + LONGEST_MS - Date.now())
    this.#timer = setTimeout(() => this.save(), Math.min(REST_MS, left))
  }

  /** Saves what stands in the editor; answers whether the server has it now. */
  async save() {
    clearTimeout(this.#timer)
    while (this.#flight) await this.#flight
    if (!this.dirty && !this.#clash) return true
    this.#flight = this.#send(this.#text())
    const saved = await this.#flight
    this.#flight = null
    if (saved && this.dirty) this.typed()
    return saved
  }

  /** Takes what the other window saved: the text to go on with. One's own stays aside. */
  takeTheirs() {
    const { source, revision } = this.#clash
    this.#saved = source
    this.#revision = revision
    this.#clash = null
    this.#forget()
    this.#tell({ kind: "saved" })
    return source
  }

  /** Goes on with what stands here. The other window's text becomes a version first, so that it can be had back. */
  async takeMine() {
    const { revision } = this.#clash
    const kept = await post(this.#address.replace(/draft$/, "versions"), { revision, note: "as another window had it" })
    if (!kept.ok && kept.status !== 409) return this.#tell({ kind: "kept", why: reason(kept) })
    if (kept.ok) {
      this.#revision = revision
      this.#clash = null
    } else this.#clash = { ...this.#clash, text: null } // it moved on once more: the next answer says to where
    return this.save()
  }

  /** What was kept in this browser and the server may never have got, at the start: { text, aside }. The newest, if it was typed on this
   *  very draft and nothing else was since, is answered to go on with, or null; the others are put aside, and `aside` says whether there were any. */
  async recover() {
    const own = sessionStorage.getItem(this.#key)
    sessionStorage.setItem(this.#key, this.#window)
    const found = Object.keys(localStorage)
      .filter((key) => key.startsWith(this.#key))
      .map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }))
      .filter(({ key, at }) => key === this.#key + own || Date.now() - at > LEFT_BEHIND_MS)
      .sort((one, other) => one.at - other.at)
    let text = null
    let aside = false
    for (const { key, source, revision } of found) {
      // Nothing that the server lacks.
      if (source === this.#saved) localStorage.removeItem(key)
      else if (revision === this.#revision && key === found.at(-1).key && !this.dirty) text = { key, source }
      else {
        const sent = await post(this.#address, { source, revision: Math.min(revision, this.#revision - 1), window: key.slice(this.#key.length) })
        if (sent.status === 409) localStorage.removeItem(key)
        aside ||= sent.status === 409
      }
    }
    // From now on it is kept under this window's name.
    if (text) localStorage.removeItem(text.key)
    return { text: text?.source ?? null, aside }
  }

  async #send(text) {
    const clash = this.#clash
    if (clash?.text === text) return false
    this.#typedAt = 0
    this.#tell({ kind: "saving" })
    const answer = await post(this.#address, { source: text, revision: this.#revision, window: this.#window })
    if (answer.ok) return this.#arrived(text, answer.body)
    if (answer.status === 409 && answer.body.revision) return this.#late(text, answer.body)
    const again = answer.status === 0 || answer.status === 401 || answer.status === 429 || answer.status >= 500
    this.#tell({ kind: "kept", why: reason(answer) })
    if (again) {
      this.#timer = setTimeout(() => this.save(), this.#wait)
      this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS)
    }
    return false
  }

  #arrived(text, { revision, saved_at }) {
    this.#wait = FIRST_WAIT_MS
    this.#saved = text
    this.#revision = revision
    this.#clash = null
    this.#keep()
    this.#others.postMessage({ source: text, revision })
    this.#tell({ kind: "saved", at: saved_at })
    return true
  }

  #late(text, { revision, source, aside }) {
    this.#wait = FIRST_WAIT_MS
    if (source === text) return this.#arrived(text, { revision, saved_at: Date.now() })
    this.#clash = { revision, source, aside, text }
    this.#tell({ kind: "clash" })
    return false
  }

  // Another window of this browser has saved. Where nothing was typed, this one follows; else the next save finds out.
  #heard = ({ data: { source, revision } }) => {
    if (revision <= this.#revision || this.#clash || this.#flight || this.dirty) return
    this.#saved = source
    this.#revision = revision
    this.#follow(source)
  }

  #again = () => {
    this.#wait = FIRST_WAIT_MS
    if (this.dirty) this.save()
  }

  #turned = async () => {
    if (document.visibilityState === "hidden") return this.dirty && this.save()
    if (this.dirty || this.#clash) return
    // Perhaps it was changed on another machine meanwhile.
    const response = await fetch(this.#address, { headers: { accept: "application/json" } }).catch(() => null)
    if (response?.ok) this.#heard({ data: await response.json() })
  }

  #leave = () => this.#keep()

  #keep() {
    if (!this.dirty) return this.#forget()
    try {
      localStorage.setItem(this.#key + this.#window, JSON.stringify({ source: this.#text(), revision: this.#revision, at: Date.now() }))
    } catch {
      // No room, or none allowed: then leaving the page asks first.
      addEventListener("beforeunload", this.#warn)
    }
  }

  #forget() {
    localStorage.removeItem(this.#key + this.#window)
    removeEventListener("beforeunload", this.#warn)
  }

  #warn = (event) => {
    if (this.dirty) event.preventDefault()
  }
}
