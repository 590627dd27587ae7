// What doesn't parse, found before anything runs. The parser is the one that the frame's guard uses, so both find the same.

/** How much text is looked through while somebody types; more only when it runs. */
const MOST = 64 * 1024

let parser = null

/** The first mistake of a text: { line, column, message }, line and column from 1; null where it parses. */
export async function findSyntaxError(source, mode) {
  if (source.length > MOST) return null
  parser ??= await import("/static/v/vendor/acorn-8.19.0/acorn.mjs").catch(() => null)
  // The line is down: it is looked through another time.
  if (!parser) return null
  const { parse } = parser
  const sourceType = mode === "three" ? "module" : "script"
  try {
    parse(source, { ecmaVersion: "latest", sourceType, allowAwaitOutsideFunction: sourceType === "module" })
    return null
  } catch (error) {
    if (!error.loc) throw error
    return { line: error.loc.line, column: error.loc.column + 1, message: explain(error, source) }
  }
}

// The parser says "Unexpected token (9:3)": the place is shown, so what is left is told a little better.
function explain(error, source) {
  const message = error.message.replace(/ \(\d+:\d+\)$/, "")
  if (message !== "Unexpected token") return message
  const rest = source.slice(error.pos)
  if (rest.trim() === "") return "The text ends too early: a bracket or a brace was opened and never closed."
  const what = /^(\w+|\S)/.exec(rest)?.[0]
  return `“${what}” can't stand here. Is something missing just before it?`
}
