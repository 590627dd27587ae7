import { prove, rewrap } from "../dm/account.js"
import { checkNewPassword, derive, freshParameters, toBase64url } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"

// <neo-password> around the form that changes one's password: proves the old one, sends the key of the new one, and wraps the keys for
// direct messages anew.
class NeoPassword extends KeyedForm {
  async keys() {
    const name = this.value("password-name")
    const chosen = this.value("password-new")
    await forField("auth", () => checkNewPassword(chosen))
    const old = await forField("current", () => prove(name, this.value("password-current")))
    const after = freshParameters()
    const fresh = await derive(name, chosen, after)
    const wrapped = await rewrap(name, old.wrap, fresh.wrap)
    const keys = { current: old.auth, auth: fresh.auth, salt: toBase64url(after.salt), rounds: after.rounds }
    return wrapped ? { ...keys, wrapped } : keys
  }
}

customElements.define("neo-password", NeoPassword)
