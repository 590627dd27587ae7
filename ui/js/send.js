// Sends what a form would send, and gets the fragment that changed instead of a page.
const FRAGMENT = "text/vnd.neospace.fragment+html"

/** Posts fields (anything that URLSearchParams takes). Answers { ok, status, html }; never throws. */
export async function send(address, fields) {
  try {
    const response = await fetch(address, { method: "POST", headers: { accept: FRAGMENT }, body: new URLSearchParams(fields) })
    if (response.status === 401) {
      location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`)
    }
    const type = response.headers.get("content-type") ?? ""
    if (type.startsWith(FRAGMENT) || type.startsWith("text/html")) return { ok: response.ok, status: response.status, html: await response.text() }
    return { ok: response.ok, status: response.status, html: "", message: await explanation(response, type) }
  } catch {
    return { ok: false, status: 0, html: "", message: "The line is down. What you typed is still here: try again in a moment." }
  }
}

/** The fields of a form as it would be sent by this button. */
export function fieldsOf(form, submitter) {
  return [...new FormData(form, submitter)].filter(([, value]) => typeof value === "string")
}

/** Gets a fragment; "" when it is not there. */
export async function get(address, accept = FRAGMENT) {
  const response = await fetch(address, { headers: { accept } })
  return response.ok ? response.text() : ""
}

async function explanation(response, type) {
  if (!type.includes("json")) return `That did not work (${response.status}). Try again in a moment.`
  const problem = await response.json()
  return problem.detail ?? problem.title
}
