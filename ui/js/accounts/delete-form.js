import { prove } from "../dm/account.js"
import { forField, KeyedForm } from "./keyed-form.js"

// <neo-delete> around the form that asks for one's account to be deleted: proves the password.
class NeoDelete extends KeyedForm {
  async keys() {
    const { auth } = await forField("current", () => prove(this.value("delete-name"), this.value("delete-password")))
    return { current: auth }
  }
}

customElements.define("neo-delete", NeoDelete)
