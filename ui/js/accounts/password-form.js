import { checkNewPassword, derive, freshParameters, readParameters, toBase64url } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"
import { askParameters } from "./parameters.js"

// <neo-password> around the form that changes one's password: proves the old one and sends the key of the new one.
class NeoPassword extends KeyedForm {
  async keys() {
    const name = this.value("password-name")
    const chosen = this.value("password-new")
    await forField("auth", () => checkNewPassword(chosen))
    const before = readParameters(await askParameters(name))
    const old = await forField("current", () => derive(name, this.value("password-current"), before))
    const after = freshParameters()
    const fresh = await derive(name, chosen, after)
    return { current: old.auth, auth: fresh.auth, salt: toBase64url(after.salt), rounds: after.rounds }
  }
}

customElements.define("neo-password", NeoPassword)
