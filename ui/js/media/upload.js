// Uploads that survive a broken line: begun with one request, sent with as many as it takes, each going on where the server
// says that the last one ended.

const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 15_000
/** After so many attempts that brought not a byte further it is given up. */
const ATTEMPTS_MOST = 8
const PROGRAM = { accept: "application/json" }

/** Uploads a file. `alt` describes a picture; `passing`: it is for one thing, and goes with it. `progress` is called with 0 to 1
 *  while it is sent and 1 while it is looked at, `waiting` with a sentence while the line is down. `signal` cancels. Answers
 *  { ok, media } or { ok: false, message }; never throws. */
export async function upload(file, { alt = "", passing = false, progress = () => {}, waiting = () => {}, signal } = {}) {
  const begun = await begin(file, alt, passing, { waiting, signal })
  if (!begun.ok) return begun
  let offset = 0
  let attempts = 0
  for (;;) {
    progress(offset / file.size)
    const sent = await send(begun.at, file, offset, progress, signal)
    if (signal?.aborted) {
      fetch(begun.at, { method: "DELETE", keepalive: true }).catch(() => {})
      return { ok: false, cancelled: true, message: "Cancelled." }
    }
    if (sent.media) return { ok: true, media: sent.media }
    if (sent.final) return { ok: false, message: sent.message }
    const now = sent.offset ?? (await came(begun.at))
    if (now?.media) return { ok: true, media: now.media }
    if (now?.refused) return { ok: false, message: now.refused }
    if (now?.gone) return { ok: false, message: "This upload is not known any more. Send it again." }
    const here = typeof now === "number" ? now : now?.offset
    attempts = here > offset ? 0 : attempts + 1
    offset = here ?? offset
    if (attempts >= ATTEMPTS_MOST) return { ok: false, message: sent.message ?? "The line is down. Try again in a moment." }
    if (attempts > 0) {
      waiting("The line is down. It goes on as soon as it is back.")
      await pause(attempts, signal)
    }
  }
}

async function begin(file, alt, passing, { waiting, signal }) {
  for (let attempt = 1; ; attempt++) {
    const fields = new URLSearchParams({ name: file.name ?? "", bytes: file.size, alt, passing: passing ? "1" : "" })
    const response = await fetch("/library/uploads", { method: "POST", headers: PROGRAM, body: fields, signal }).catch(() => null)
    if (signal?.aborted) return { ok: false, cancelled: true, message: "Cancelled." }
    if (response?.ok) return { ok: true, ...(await response.json()) }
    if (response && response.status < 500) return { ok: false, message: await sentence(response) }
    if (attempt >= ATTEMPTS_MOST) return { ok: false, message: response ? await sentence(response) : "The line is down. Try again in a moment." }
    waiting("The line is down. It goes on as soon as it is back.")
    await pause(attempt, signal)
  }
}

// Sends the rest of a file. fetch doesn't say how far it is, so this is the older way.
function send(at, file, offset, progress, signal) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest()
    const abort = () => request.abort()
    signal?.addEventListener("abort", abort)
    request.open("PATCH", at)
    request.setRequestHeader("accept", "application/json")
    request.setRequestHeader("content-type", "application/partial-upload")
    request.setRequestHeader("upload-offset", offset)
    request.responseType = "json"
    request.upload.onprogress = ({ loaded }) => progress(Math.min(1, (offset + loaded) / file.size))
    request.onloadend = () => {
      signal?.removeEventListener("abort", abort)
      const { status, response } = request
      if (status === 0) return resolve({})
      if (status < 300) return resolve({ media: response?.media, offset: response?.offset })
      // Somebody else's turn, not just now, or another offset: worth another look. What else is refused stays refused.
      const again = status === 409 || status === 408 || status === 429 || status >= 500
      resolve({ final: !again, message: response?.detail ?? `That did not work (${status}).` })
    }
    request.send(file.slice(offset))
  })
}

async function came(at) {
  const response = await fetch(at, { headers: PROGRAM }).catch(() => null)
  if (response?.status === 404) return { gone: true }
  return response?.ok ? response.json() : null
}

async function sentence(response) {
  const problem = await response.json().catch(() => ({}))
  return problem.detail ?? `That did not work (${response.status}). Try again in a moment.`
}

// Doubles from attempt to attempt; ends early when the line is back, or nobody waits any more.
function pause(attempt, signal) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      removeEventListener("online", done)
      signal?.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LONGEST_WAIT_MS))
    addEventListener("online", done)
    signal?.addEventListener("abort", done)
  })
}

/** Uploads a file and shows how far it is in the partial `media/progress.html` inside `place`. Answers as `upload` does. */
export async function uploadShown(place, file, options = {}) {
  const part = place.querySelector("[data-uploading]")
  const bar = part.querySelector("progress")
  const percent = part.querySelector("[data-percent]")
  const said = part.querySelector("[data-said]")
  const cancel = part.querySelector("[data-cancel]")
  const stop = new AbortController()
  const onCancel = () => stop.abort()
  part.querySelector("[data-what]").textContent = file.name ?? ""
  said.textContent = ""
  part.hidden = false
  cancel.addEventListener("click", onCancel)
  const done = await upload(file, {
    ...options,
    signal: stop.signal,
    progress(share) {
      bar.value = share * 100
      percent.textContent = `${Math.floor(share * 100)} %`
      const sentence = share < 1 ? "" : "Looking at it…"
      if (said.textContent !== sentence) said.textContent = sentence
    },
    waiting(sentence) {
      said.textContent = sentence
    },
  })
  cancel.removeEventListener("click", onCancel)
  part.hidden = true
  return done
}
