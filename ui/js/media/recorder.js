// <neo-recorder>: records one's voice, two minutes at most, and hands the recording over as `recorder:done` with { file }. Where
// the browser can't record, it says so and is in nobody's way.
const LONGEST_MS = 120_000
const KINDS = ["audio/webm;codecs=opus", "audio/ogg;codecs=opus", "audio/mp4"]

class NeoRecorder extends HTMLElement {
  #recorder = null
  #stream = null
  #parts = []
  #begun = 0
  #timer = null

  connectedCallback() {
    this.addEventListener("click", this.#press)
  }

  disconnectedCallback() {
    this.removeEventListener("click", this.#press)
    if (this.#recorder?.state === "recording") this.#recorder.stop()
    this.#parts = []
    this.#end()
  }

  #press = ({ target }) => {
    if (!target.closest("[data-record]")) return
    if (this.#recorder?.state === "recording") return this.#recorder.stop()
    this.#begin()
  }

  async #begin() {
    const kind = globalThis.MediaRecorder && KINDS.find((kind) => MediaRecorder.isTypeSupported(kind))
    if (!kind || !navigator.mediaDevices) return this.#say("This browser can't record here. Upload a recording instead.")
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true })
    } catch {
      return this.#say("The microphone is not to be had. Allow it in the browser, or upload a recording instead.")
    }
    if (!this.isConnected) return this.#end()
    this.#parts = []
    this.#recorder = new MediaRecorder(this.#stream, { mimeType: kind })
    this.#recorder.addEventListener("dataavailable", ({ data }) => data.size > 0 && this.#parts.push(data))
    this.#recorder.addEventListener("stop", this.#stopped)
    this.#recorder.start(1_000)
    this.#begun = Date.now()
    this.#timer = setInterval(this.#tick, 250)
    this.#button("Stop")
    this.toggleAttribute("data-recording", true)
    this.#tick()
  }

  #tick = () => {
    const ms = Date.now() - this.#begun
    const seconds = Math.floor(ms / 1_000)
    this.querySelector("[data-time]").textContent = `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, "0")}`
    if (ms >= LONGEST_MS && this.#recorder.state === "recording") this.#recorder.stop()
  }

  #stopped = () => {
    const [kind] = this.#recorder.mimeType.split(";")
    const parts = this.#parts
    this.#end()
    if (parts.length === 0) return
    const file = new File(parts, `voice.${kind.split("/")[1]}`, { type: kind })
    this.#say("")
    this.dispatchEvent(new CustomEvent("recorder:done", { bubbles: true, detail: { file } }))
  }

  #end() {
    clearInterval(this.#timer)
    for (const track of this.#stream?.getTracks() ?? []) track.stop()
    this.#stream = null
    this.toggleAttribute("data-recording", false)
    this.#button("Record again")
  }

  #button(label) {
    const button = this.querySelector("[data-record] [data-label]")
    if (button) button.textContent = label
  }

  #say(sentence) {
    this.querySelector("[data-heard]").textContent = sentence
  }
}

customElements.define("neo-recorder", NeoRecorder)
