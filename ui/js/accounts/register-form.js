import { checkNewPassword, derive, freshParameters, toBase64url } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"

// <neo-register> around the form of the same name: makes the account's salt, and sends it with the auth key.
class NeoRegister extends KeyedForm {
  async keys() {
    const password = this.value("register-password")
    await forField("auth", () => checkNewPassword(password))
    const parameters = freshParameters()
    const { auth } = await derive(this.value("register-name"), password, parameters)
    return { auth, salt: toBase64url(parameters.salt), rounds: parameters.rounds }
  }
}

customElements.define("neo-register", NeoRegister)
