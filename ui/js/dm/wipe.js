// Forgets what this device kept of somebody's direct messages. Small, because every page may need it and few do: at log-out, and
// where nobody or somebody else is logged in.

export const DATABASE = "neospace-dm"
/** Where it stands in localStorage whose database there is. */
export const OWNER = "dm:owner"
const CHANNEL = "neospace-dm"

/** Deletes all that is kept here about direct messages, in every tab. */
export async function wipe() {
  localStorage.removeItem(OWNER)
  tell({ kind: "wiped" })
  await new Promise((resolve) => {
    const deleting = indexedDB.deleteDatabase(DATABASE)
    deleting.onsuccess = deleting.onerror = resolve
  })
}

/** Tells the other tabs. */
export function tell(said) {
  between().postMessage(said)
}

/** Calls `each` with what other tabs tell; answers what ends that. */
export function heed(each) {
  const heard = ({ data }) => each(data)
  between().addEventListener("message", heard)
  return () => between().removeEventListener("message", heard)
}

// One channel a page, so that no page hears itself.
let channel = null

function between() {
  channel ??= new BroadcastChannel(CHANNEL)
  return channel
}
