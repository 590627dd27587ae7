import { derive, readParameters } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"
import { askParameters } from "./parameters.js"

// <neo-login> around the form of the same name: sends the auth key in place of the password.
class NeoLogin extends KeyedForm {
  async keys() {
    const name = this.value("login-name")
    const parameters = readParameters(await askParameters(name))
    const { auth } = await forField("auth", () => derive(name, this.value("login-password"), parameters))
    return { auth }
  }
}

customElements.define("neo-login", NeoLogin)
