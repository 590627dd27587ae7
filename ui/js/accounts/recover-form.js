import { enterWith, recover } from "../dm/account.js"
import { BY_PASSWORD, deriveKeys, readCode, wrapRoots } from "../dm/keys.js"
import { checkNewPassword, derive, foldName, freshParameters, toBase64url } from "./derive.js"
import { FieldRefused, forField, KeyedForm } from "./keyed-form.js"

// <neo-recover> around the form in which a recovery code is typed: opens the account's roots with it, and wraps them under a new
// password.
class NeoRecover extends KeyedForm {
  #name
  #roots

  async keys() {
    const name = foldName(this.value("recover-name"))
    const code = await readCode(this.value("recover-code"))
    if (!code) throw new FieldRefused("recovery", "That is no recovery code: it has seven groups of four letters and digits. Look at each again.")
    const chosen = this.value("recover-password")
    await forField("auth", () => checkNewPassword(chosen))
    const { roots, auth: recovery } = await this.#open(name, code)
    const parameters = freshParameters()
    const fresh = await derive(name, chosen, parameters)
    const wrapped = await wrapRoots(fresh.wrap, BY_PASSWORD, name, roots, await deriveKeys(name, roots.at(-1)))
    this.#name = name
    this.#roots = roots
    return { name, recovery, auth: fresh.auth, salt: toBase64url(parameters.salt), rounds: parameters.rounds, wrapped: toBase64url(wrapped) }
  }

  // The server's refusal names its field.
  async #open(name, code) {
    try {
      return await recover(name, code)
    } catch (error) {
      const [refused] = error.body?.errors ?? []
      throw refused ? new FieldRefused(String(refused.field), String(refused.message)) : error
    }
  }

  async entered() {
    await enterWith(this.#name, this.#roots)
  }
}

customElements.define("neo-recover", NeoRecover)
