import { askKeys, makeRecovery, prove, replaceKeys } from "../dm/account.js"
import { Refused } from "./derive.js"
import { forField, KeyedForm } from "./keyed-form.js"

// <neo-own-keys> around the settings' part about keys: makes a recovery code or new keys, once the password was typed again. A code counts only
// once two of its groups were typed back.
class NeoOwnKeys extends KeyedForm {
  #made = null

  connectedCallback() {
    super.connectedCallback()
    this.#code.addEventListener("submit", this.#check)
    this.#tell()
  }

  disconnectedCallback() {
    super.disconnectedCallback()
    this.#code.removeEventListener("submit", this.#check)
  }

  async act(submitter) {
    const name = this.value("keys-name")
    const proof = await forField("current", () => prove(name, this.value("keys-password")))
    if (submitter?.value === "keys") {
      this.say("Making new keys …")
      await replaceKeys(proof)
      await this.#tell()
    }
    this.#made = await makeRecovery(proof)
    this.querySelector("#keys-password").value = ""
    this.#show()
  }

  get #code() {
    return this.querySelector("[data-code]")
  }

  #show() {
    const { groups, ask } = this.#made
    this.#code.querySelector("output").replaceChildren(...groups.map((group, nth) => word(group, nth, groups.length)))
    const inputs = this.#code.querySelectorAll("input")
    ask.forEach((number, nth) => {
      inputs[nth].value = ""
      this.#code.querySelectorAll("label")[nth].textContent = `Group ${number}`
    })
    this.#say("")
    this.#code.hidden = false
    this.#code.querySelector("h3").focus()
  }

  #check = async event => {
    event.preventDefault()
    const inputs = this.#code.querySelectorAll("input")
    const typed = Object.fromEntries(this.#made.ask.map((number, nth) => [number, inputs[nth].value]))
    try {
      if (!(await this.#made.check(typed))) return this.#say("That isn't what stands there. Look at your note again, and type both groups.", true)
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      return this.#say(error.message, true)
    }
    this.#made = null
    this.#code.querySelector("output").replaceChildren()
    this.#code.hidden = true
    await this.#tell()
    this.say("The code counts from now on. An earlier one opens nothing any more.")
    this.querySelector("#keys-standing").focus()
  }

  // Whether there are keys and a code.
  async #tell() {
    const told = await askKeys().catch(error => {
      if (!(error instanceof Refused)) throw error
    })
    if (!told) return
    const times = told.generation > 1 ? ` You made new ones ${told.generation - 1} time${told.generation === 2 ? "" : "s"}.` : ""
    const keys = told.generation === 0 ? "You have no keys yet: open Direct messages to make them." : `You have keys.${times}`
    const code = told.recovery ? "There is a recovery code." : "There is no recovery code: whoever loses the password then loses their messages."
    this.querySelector("#keys-standing").textContent = told.generation === 0 ? keys : `${keys} ${code}`
  }

  #say(text, bad = false) {
    const line = this.#code.querySelector("[role=status]")
    line.textContent = text
    line.classList.toggle("bad", bad)
  }
}

// A group of the code. Between groups stands a hyphen, so that what is copied is the code as it is written.
function word(group, nth, count) {
  const shown = document.createElement("span")
  shown.textContent = nth < count - 1 ? `${group}-` : group
  return shown
}

customElements.define("neo-own-keys", NeoOwnKeys)
