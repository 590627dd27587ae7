import { Refused } from "./derive.js"

// fetch, whose failure is a sentence for people.
export async function ask(address, options) {
  try {
    return await fetch(address, { ...options, credentials: "same-origin", headers: { accept: "application/json" } })
  } catch {
    throw new Refused("The line is down. What you typed is kept: try again.")
  }
}

// The salt and rounds that the server holds for a name, as it says: check them before use.
export async function askParameters(name) {
  const response = await ask(`/login/parameters?${new URLSearchParams({ name })}`)
  const answer = await response.json().catch(() => ({}))
  if (!response.ok) throw new Refused(answer.detail ?? "The server did not understand. Try again.")
  return answer
}
