// Coming into one's keys: making the first ones, unwrapping those that there are, wrapping them anew, and replacing them. What is
// unwrapped here is forgotten here; the store keeps keys that can't be read out.
import { askParameters } from "../accounts/parameters.js"
import { derive, readParameters, Refused } from "../accounts/derive.js"
import { Alarm } from "./alarms.js"
import { fromBase64url, isName, isWhole, Malformed, same, sha256, toBase64url } from "./bytes.js"
import { BY_PASSWORD, BY_RECOVERY, deriveKeys, makeCode, makeRoot, recoveryKeys, ROOTS_MOST, signStatement, unwrapRoots, wrapRoots, writeCode } from "./keys.js"
import { entriesOf, syncLog } from "./log.js"
import { Denied, getJson, postJson } from "./net.js"
import { emptyNotebook, sealNotebook } from "./notebook.js"
import { openStore } from "./store.js"
import { changing, putting, takeNotebook } from "./sync.js"
import { OWNER, tell, wipe } from "./wipe.js"

/** What the server keeps about keys (`GET /dm/keys`), checked: `{ name, generation, wrapped, recovery, notebook, version }`. */
export async function askKeys() {
  const { name, generation, wrapped, recovery, notebook, notebook_version: version } = (await getJson("/dm/keys")) ?? {}
  try {
    if (!isName(name) || !isWhole(generation) || generation > ROOTS_MOST) throw new Malformed("not keys")
    if (generation === 0) return { name, generation, wrapped: null, recovery: false, notebook: null, version: 0 }
    const sealed = notebook === null || notebook === undefined ? null : fromBase64url(notebook)
    return { name, generation, wrapped: fromBase64url(wrapped), recovery: recovery === true, notebook: sealed, version: isWhole(version) ? version : 0 }
  } catch (error) {
    throw new Alarm("wrapped", error.message)
  }
}

/** The store of this member, empty of anybody else's. */
export async function storeOf(name) {
  const store = await openStore()
  const account = await store.account()
  // Other pages find by this whose database there is, and whether.
  if (account) localStorage.setItem(OWNER, account.name)
  if (!account || account.name === name) return store
  store.close()
  await wipe()
  return openStore()
}

/** Brings a member's keys to this device, whose wrap key is at hand: after a log-in, a registration, or when the password was typed again. Makes the
 *  first ones where there are none. Throws an alarm, or what net.js throws. */
export async function enter(name, wrap) {
  const store = await storeOf(name)
  try {
    const roots = (await openRoots(store, name, wrap)) ?? (await makeFirst(store, name, wrap))
    await keep(store, name, roots)
  } finally {
    store.close()
  }
}

/** Brings keys to this device whose roots were unwrapped. */
export async function enterWith(name, roots) {
  const store = await storeOf(name)
  try {
    await keep(store, name, roots)
  } finally {
    store.close()
  }
}

async function keep(store, name, roots) {
  const keys = await Promise.all(roots.map((root) => deriveKeys(name, root)))
  forget(roots)
  await store.setAccount(name, keys)
}

/** The account's roots, oldest first, unwrapped and held against the key log; null when it has none yet. */
export async function openRoots(store, name, key, { kind = BY_PASSWORD, told } = {}) {
  const { generation, wrapped, ...of } = told ?? (await askKeys())
  if (of.name !== name) throw new Alarm("wrapped", "another member's")
  await syncLog(store)
  const entries = await entriesOf(store, name)
  if (generation === 0 && entries.length === 0) return null
  if (generation === 0) throw new Alarm("own_key", "the log has keys of an account without keys")
  if (entries.length === 0) throw new Alarm("wrapped", "the log has no keys of this account")
  const roots = await unwrapNewest(key, kind, name, wrapped, entries)
  if (roots.length !== entries.length || !(await areMade(name, roots, entries))) {
    forget(roots)
    throw new Alarm("own_key", "the log has other keys")
  }
  return roots
}

// What opens as older keys than the log's newest was wrapped before somebody put the newest there.
async function unwrapNewest(key, kind, name, wrapped, entries) {
  for (const entry of entries.toReversed()) {
    try {
      return await unwrapRoots(key, kind, name, wrapped, entry)
    } catch (error) {
      if (entry === entries[0]) throw error
    }
  }
}

async function areMade(name, roots, entries) {
  const keys = await Promise.all(roots.map((root) => deriveKeys(name, root)))
  return keys.every(({ identity, signing }, nth) => same(identity, entries[nth].identity) && same(signing, entries[nth].signing))
}

async function makeFirst(store, name, wrap) {
  const roots = [makeRoot()]
  const keys = await deriveKeys(name, roots[0])
  const log = await store.logHead()
  const book = { ...emptyNotebook(), log: { size: log.size, head: log.head } }
  const notebook = await sealNotebook(keys.notebook, name, 1, book)
  try {
    await postJson("/dm/keys", {
      generation: 1,
      identity: toBase64url(keys.identity),
      signing: toBase64url(keys.signing),
      signature: toBase64url(await signStatement(name, 1, keys)),
      wrapped: toBase64url(await wrapRoots(wrap, BY_PASSWORD, name, roots, keys)),
      notebook: toBase64url(notebook),
      notebook_version: 1,
    })
  } catch (error) {
    forget(roots)
    // Another device of the member's was faster.
    const others = error instanceof Denied && error.status === 409 ? await openRoots(store, name, wrap) : null
    if (!others) throw error
    return others
  }
  await store.setNotebook({ version: 1, hash: await sha256(notebook), put: book, book })
  return roots
}

// ── with the password typed again ──────────────────────────────────────────────────────────────

/** The keys of a password that was typed: `{ name, auth, wrap }`. Throws `Refused` where it isn't the account's. */
export async function prove(name, password) {
  const { auth, wrap } = await derive(name, password, readParameters(await askParameters(name)))
  try {
    await postJson("/settings/password/check", { current: auth })
  } catch (error) {
    if (error instanceof Denied && error.status === 422) throw new Refused("That is not your password. Look at it again.")
    throw error
  }
  return { name, auth, wrap }
}

/** The roots wrapped for a new password, whose wrap key is `fresh`; null where the account has no keys. */
export async function rewrap(name, wrap, fresh) {
  const store = await storeOf(name)
  try {
    const roots = await openRoots(store, name, wrap)
    if (!roots) return null
    const wrapped = await wrapRoots(fresh, BY_PASSWORD, name, roots, await deriveKeys(name, roots.at(-1)))
    forget(roots)
    return toBase64url(wrapped)
  } finally {
    store.close()
  }
}

/** A fresh recovery code for the account: `{ code, groups, ask, check }`. `ask` are the numbers of two groups, counted from 1; `check({ [number]: text })`
 *  answers whether they were typed rightly, and only then stores what the code opens. */
export async function makeRecovery({ name, auth, wrap }) {
  const code = makeCode()
  const written = await writeCode(code)
  const groups = written.split("-")
  const ask = twoOf(groups.length)
  const check = async (typed) => {
    if (!ask.every((number) => clean(typed[number]) === groups[number - 1])) return false
    const store = await storeOf(name)
    try {
      const roots = await openRoots(store, name, wrap)
      if (!roots) throw new Alarm("wrapped", "no keys")
      const recovery = await recoveryKeys(name, code)
      const wrapped = await wrapRoots(recovery.key, BY_RECOVERY, name, roots, await deriveKeys(name, roots.at(-1)))
      forget(roots)
      await postJson("/dm/recovery", { wrapped: toBase64url(wrapped), auth: recovery.auth, current: auth })
    } finally {
      store.close()
    }
    return true
  }
  return { code: written, groups, ask, check }
}

/** Makes new keys, as after a device was stolen, once the password was proved. The old ones stay beside them, for the history; the recovery code is
 *  void then. */
export async function replaceKeys(proof) {
  await enter(proof.name, proof.wrap)
  const store = await storeOf(proof.name)
  try {
    await putting(() => changing(() => replace(store, proof)))
  } finally {
    store.close()
  }
  tell({ kind: "keys" })
}

async function replace(store, { name, auth, wrap }) {
  const account = await store.account()
  const { book, version } = await takeNotebook(store, name, account.keys, await askKeys(), askKeys)
  const roots = await openRoots(store, name, wrap)
  if (!roots) throw new Alarm("wrapped", "no keys")
  if (roots.length === ROOTS_MOST) {
    forget(roots)
    throw new Refused(`You have made new keys ${ROOTS_MOST - 1} times: there can be no more.`)
  }
  const before = await deriveKeys(name, roots.at(-1))
  roots.push(makeRoot())
  const keys = await deriveKeys(name, roots.at(-1))
  const generation = roots.length
  const notebook = await sealNotebook(keys.notebook, name, version + 1, book)
  await postJson("/dm/keys", {
    generation,
    identity: toBase64url(keys.identity),
    signing: toBase64url(keys.signing),
    signature: toBase64url(await signStatement(name, generation, keys)),
    previous_signature: toBase64url(await signStatement(name, generation, keys, before)),
    wrapped: toBase64url(await wrapRoots(wrap, BY_PASSWORD, name, roots, keys)),
    notebook: toBase64url(notebook),
    notebook_version: version + 1,
    current: auth,
  })
  await store.setNotebook({ version: version + 1, hash: await sha256(notebook), put: book, book })
  await keep(store, name, roots)
  await syncLog(store)
}

/** Opens an account by its recovery code: `{ roots, auth, told }`. */
export async function recover(name, code) {
  const recovery = await recoveryKeys(name, code)
  const answer = await postJson("/recover/open", { name, recovery: recovery.auth })
  let told
  try {
    if (!isWhole(answer?.generation, 1)) throw new Malformed("not keys")
    told = { name, generation: answer.generation, wrapped: fromBase64url(answer.wrapped) }
  } catch (error) {
    throw new Alarm("wrapped", error.message)
  }
  const store = await storeOf(name)
  try {
    return { roots: await openRoots(store, name, recovery.key, { kind: BY_RECOVERY, told }), auth: recovery.auth }
  } finally {
    store.close()
  }
}

function twoOf(count) {
  const [first, second] = crypto.getRandomValues(new Uint32Array(2))
  const one = first % count
  const other = (one + 1 + (second % (count - 1))) % count
  return [one + 1, other + 1].sort((a, b) => a - b)
}

function clean(text) {
  return String(text ?? "").replace(/[\s-]/g, "").toUpperCase().replaceAll("O", "0").replace(/[IL]/g, "1")
}

function forget(roots) {
  for (const root of roots) root.fill(0)
}
