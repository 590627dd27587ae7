import { bringKeys } from "./bring-keys.js"
import { checkNewPassword, derive, freshParameters, toBase64url } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"

// <neo-register> around the form of the same name: makes the account's salt, sends it with the auth key, and makes the member's
// first keys for direct messages.
class NeoRegister extends KeyedForm {
  #wrap

  async keys() {
    const password = this.value("register-password")
    await forField("auth", () => checkNewPassword(password))
    const parameters = freshParameters()
    const { auth, wrap } = await derive(this.value("register-name"), password, parameters)
    this.#wrap = wrap
    return { auth, salt: toBase64url(parameters.salt), rounds: parameters.rounds }
  }

  entered() {
    return bringKeys(this.value("register-name"), this.#wrap)
  }
}

customElements.define("neo-register", NeoRegister)
