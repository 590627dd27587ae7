// The notebook between this device and the server: taken over as far as it may be believed, and kept. "The notebook" in
// docs/direct-messages.md.
import { Alarm } from "./alarms.js"
import { same, sha256 } from "./bytes.js"
import { liesIn } from "./log.js"
import { contains, mergeNotebooks, openNotebook } from "./notebook.js"

// Two locks over all tabs: the inner one while what is kept of the notebook changes, the outer one, which may wait for the server, while it
// is put there.
export function changing(work) {
  return navigator.locks.request("neospace-dm:notebook", work)
}

export function putting(work) {
  return navigator.locks.request("neospace-dm:notebook:put", work)
}

/** Takes over what the server keeps of the notebook, which `ask` asks for (`{ notebook, version }`). Answers what is kept then, as `store.notebook`.
 *  Throws alarm `notebook`, `reordered` or `log_fork`. Called under `changing`. */
export async function takeNotebook(store, name, keys, told, ask) {
  const known = await store.notebook()
  const isOld = ({ notebook, version }) => !notebook || version < 1 || (known && version < known.version)
  // What was asked for before another tab put a newer one is old news, not an alarm.
  const now = isOld(told) ? await ask() : told
  if (isOld(now)) throw new Alarm("notebook", "an older one")
  const hash = await sha256(now.notebook)
  if (known && now.version === known.version) {
    if (!same(hash, known.hash)) throw new Alarm("notebook", "another one")
    return checkLog(store, known)
  }
  return mergeNotebook(store, name, keys, now)
}

/** Merges a newer notebook, `{ notebook, version }`, into the one that is kept. Called under `changing`. */
export async function mergeNotebook(store, name, keys, { notebook, version }) {
  const known = await store.notebook()
  let opened
  try {
    opened = await openNotebook(keys.at(-1).notebook, name, version, notebook)
  } catch (error) {
    throw new Alarm("notebook", error.message)
  }
  if (known && !contains(opened, known.put)) throw new Alarm("notebook", "it lacks what was put into it")
  const merged = { version, hash: await sha256(notebook), put: opened, book: known ? mergeNotebooks(opened, known.book) : opened }
  await checkLog(store, merged)
  await store.setNotebook(merged)
  return merged
}

async function checkLog(store, notebook) {
  if ((await liesIn(store, notebook.book.log)) === false) throw new Alarm("log_fork", "the notebook knows another log")
  return notebook
}
