// The one policy by which our pages take text for more than text (`trusted-types neospace`).

/** The worker that stands between a page and a script's frame: the only one there is. */
const GUARD = new URL("./frame/guard.js", import.meta.url).href

const policy = globalThis.trustedTypes?.createPolicy("neospace", {
  // The server's own, over our origin: no member string reaches it unescaped.
  createHTML: (html) => html,
  createScriptURL: () => GUARD,
})

/** The server's markup, as what may become nodes. */
export const trustedHTML = (html) => (policy ? policy.createHTML(html) : html)

/** The address of that worker. */
export const guardAddress = () => (policy ? policy.createScriptURL("") : GUARD)
