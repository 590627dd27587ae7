// The key log: reading it from the head that is known, and checking every entry. "The key log" in docs/direct-messages.md.
//
// What is known is kept entry by entry in the store, so that a head which somebody names can be looked up.
import { Alarm } from "./alarms.js"
import { fromBase64url, isZero, join, len8, Malformed, Reader, same, sha256, u32, u64, u8 } from "./bytes.js"
import { isLowOrder, isSigned, statement } from "./keys.js"
import { getJson } from "./net.js"

/** Entries asked for at once. */
const BATCH = 1000
/** How often more is asked for at once: a million entries. */
const BATCHES_MOST = 1000
const NOTHING = new Uint8Array(32)

/** The head of a log without entries. */
export const EMPTY_HEAD = { size: 0, head: NOTHING }

/** The bytes of an entry. `before` is the signature by the generation before; zeros for the first. */
export function encodeEntry({ index, at, previous, name, generation, identity, signing, signature, before }) {
  return join(u8(1), u64(index), u64(at), previous, len8(name), u32(generation), identity, signing, signature, before)
}

/** An entry from its bytes; throws `Malformed`. */
export function decodeEntry(bytes) {
  const reader = new Reader(bytes)
  if (reader.u8() !== 1) throw new Malformed("an entry of another version")
  const entry = { index: reader.u64(), at: reader.u64(), previous: reader.take(32), name: reader.name(), generation: reader.u32() }
  entry.identity = reader.take(32)
  entry.signing = reader.take(32)
  entry.signature = reader.take(64)
  entry.before = reader.take(64)
  reader.end()
  if (entry.index < 1 || entry.generation < 1) throw new Malformed("counted from 0")
  if (isLowOrder(entry.identity)) throw new Malformed("an identity key of small order")
  return entry
}

/** The hash of an entry's bytes. */
export function entryHash(bytes) {
  return sha256("neospace/1 key log\0", bytes)
}

/** Checks encoded entries that follow `known` (`{ size, head, at }`): answers them with their hashes. Throws alarm `log_fork` or
 *  `log_broken`. */
export async function checkEntries(known, encoded) {
  let { size, head, at } = known
  const entries = []
  for (const text of encoded) {
    let entry
    try {
      const bytes = fromBase64url(text)
      entry = { ...decodeEntry(bytes), hash: await entryHash(bytes) }
    } catch (error) {
      throw new Alarm("log_broken", error.message)
    }
    if (entry.index !== size + 1 || !same(entry.previous, head)) throw new Alarm("log_fork", `entry ${size + 1}`)
    if (entry.at < (at ?? 0)) throw new Alarm("log_broken", `entry ${entry.index} is older than the one before it`)
    ;({ index: size, hash: head, at } = entry)
    entries.push(entry)
  }
  return entries
}

/** Checks the entries of one name, oldest first: generations that count up from 1, each signed by itself and by the one before. */
export async function checkName(entries) {
  for (const [nth, { name, generation, identity, signing, signature, before }] of entries.entries()) {
    const said = statement(name, generation, identity, signing)
    const right = generation === nth + 1 && (await isSigned(signing, signature, said))
    const follows = nth === 0 ? isZero(before) : await isSigned(entries[nth - 1].signing, before, said)
    if (!right || !follows) throw new Alarm("log_broken", `generation ${generation} of ${name}`)
  }
  return entries
}

/** Fetches what is new in the log, checks it and keeps it. Answers the head, `{ size, head }`. Throws an alarm, or what net.js throws. */
export function syncLog(store) {
  return navigator.locks.request("neospace-dm:log", async () => {
    for (let nth = 0; ; nth++) {
      if (nth === BATCHES_MOST) throw new Alarm("log_broken", "it doesn't end")
      const known = await store.logHead()
      const answer = await getJson(`/keys?after=${known.size}&limit=${BATCH}`)
      const told = readAnswer(answer)
      // A log only grows.
      if (told.size < known.size || (told.size === known.size && !same(told.head, known.head))) throw new Alarm("log_fork", `it ends at ${told.size}`)
      if (told.entries.length > BATCH || told.entries.length > told.size - known.size) throw new Alarm("log_broken", "more entries than it has")
      const entries = await checkEntries(known, told.entries)
      if (entries.length > 0) await store.addLog(entries)
      const last = entries.at(-1)
      const now = last ? { size: last.index, head: last.hash } : known
      if (now.size === told.size) {
        if (!same(now.head, told.head)) throw new Alarm("log_fork", `its head at ${told.size}`)
        return { size: now.size, head: now.head }
      }
      if (!last) throw new Alarm("log_broken", "entries are held back")
    }
  })
}

function readAnswer(answer) {
  try {
    const { entries, size, head } = answer ?? {}
    if (!Array.isArray(entries) || !Number.isSafeInteger(size) || size < 0) throw new Malformed("not a key log")
    return { entries, size, head: fromBase64url(head, 32) }
  } catch (error) {
    throw new Alarm("log_broken", error.message)
  }
}

/** Whether a head that somebody named lies in the known log: true, false, or null when it is beyond what is known. */
export async function liesIn(store, { size, head }) {
  if (size === 0) return isZero(head)
  const known = await store.logHead()
  if (size > known.size) return null
  const hash = await store.logHash(size)
  return hash !== undefined && same(hash, head)
}

/** The checked entries of a name, oldest first. */
export async function entriesOf(store, name) {
  return checkName(await store.logOf(name))
}

/** The newest of a name's entries in the log when it had this size; undefined while there was none. */
export function newestAt(entries, size) {
  return entries.findLast(({ index }) => index <= size)
}
