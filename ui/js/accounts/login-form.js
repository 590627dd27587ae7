import { bringKeys } from "./bring-keys.js"
import { derive, readParameters } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"
import { askParameters } from "./parameters.js"

// <neo-login> around the form of the same name: sends the auth key in place of the password, and brings the member's other keys
// to this device with the wrap key.
class NeoLogin extends KeyedForm {
  #wrap

  async keys() {
    const name = this.value("login-name")
    const parameters = readParameters(await askParameters(name))
    const { auth, wrap } = await forField("auth", () => derive(name, this.value("login-password"), parameters))
    this.#wrap = wrap
    return { auth }
  }

  entered(next) {
    // Who is leaving has no keys here until they say that they stay.
    if (next === "/settings/leaving") return
    return bringKeys(this.value("login-name"), this.#wrap)
  }
}

customElements.define("neo-login", NeoLogin)
