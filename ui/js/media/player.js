// <neo-player>: our own player for a sound. Nothing is fetched before it is pressed, one sound is heard at a time, and all of it
// works by keys: the button plays and pauses, the waveform is a slider. With `data-remember` it can be muted, and stays so in this
// browser.

/** The player that is heard now. */
let heard = null

class NeoPlayer extends HTMLElement {
  #audio = null
  #played = null

  connectedCallback() {
    const button = this.querySelector("[data-play]")
    const seek = this.querySelector("[data-seek]")
    button.addEventListener("click", this.#toggle)
    seek.role = "slider"
    seek.tabIndex = 0
    seek.ariaLabel = `Where in ${this.dataset.what}`
    seek.ariaValueMin = "0"
    seek.ariaValueMax = `${Math.round(this.#duration)}`
    seek.addEventListener("pointerdown", this.#point)
    seek.addEventListener("keydown", this.#key)
    this.#mute?.addEventListener("click", this.#hush)
    this.#mark()
    this.#show()
  }

  disconnectedCallback() {
    this.querySelector("[data-play]")?.removeEventListener("click", this.#toggle)
    this.querySelector("[data-seek]")?.removeEventListener("pointerdown", this.#point)
    this.querySelector("[data-seek]")?.removeEventListener("keydown", this.#key)
    this.#mute?.removeEventListener("click", this.#hush)
    this.#audio?.pause()
    this.#audio?.removeAttribute("src")
    this.#audio = null
    if (heard === this) heard = null
  }

  pause() {
    this.#audio?.pause()
  }

  get #mute() {
    return this.querySelector("[data-mute]")
  }

  get #muted() {
    return this.dataset.remember !== undefined && localStorage.getItem(`muted:${this.dataset.remember}`) === "1"
  }

  #hush = () => {
    const key = `muted:${this.dataset.remember}`
    if (this.#muted) localStorage.removeItem(key)
    else localStorage.setItem(key, "1")
    if (this.#audio) this.#audio.muted = this.#muted
    this.#show()
  }

  /** Seconds, by the server's measure. */
  get #duration() {
    return Number(this.dataset.duration) / 1000
  }

  // The part that was played is the same line in another colour, cut off where the sound is.
  #mark() {
    const svg = this.querySelector(".wave svg")
    svg.querySelector(".played")?.remove()
    this.#played = document.createElementNS("http://www.w3.org/2000/svg", "svg")
    this.#played.setAttribute("class", "played")
    this.#played.setAttribute("width", "0")
    this.#played.append(svg.querySelector("path").cloneNode())
    svg.append(this.#played)
  }

  #open() {
    if (this.#audio) return this.#audio
    const audio = new Audio(this.dataset.src)
    audio.preload = "auto"
    audio.muted = this.#muted
    for (const event of ["timeupdate", "play", "pause", "seeked"]) audio.addEventListener(event, this.#show)
    audio.addEventListener("ended", this.#ended)
    audio.addEventListener("error", this.#failed)
    this.#audio = audio
    return audio
  }

  #toggle = () => {
    const audio = this.#open()
    if (!audio.paused) return audio.pause()
    if (heard !== this) heard?.pause()
    heard = this
    this.dispatchEvent(new CustomEvent("player:play", { bubbles: true }))
    audio.play().catch(() => this.#show())
  }

  #ended = () => {
    this.#audio.currentTime = 0
    this.#show()
  }

  #failed = () => {
    this.querySelector("[data-time]").textContent = "can't be played"
  }

  #point = (event) => {
    const box = event.currentTarget.getBoundingClientRect()
    const share = (event.clientX - box.left) / box.width
    this.#go(share * this.#duration)
  }

  #key = (event) => {
    const now = this.#audio?.currentTime ?? 0
    const to = {
      ArrowRight: now + 5,
      ArrowUp: now + 5,
      ArrowLeft: now - 5,
      ArrowDown: now - 5,
      PageUp: now + 30,
      PageDown: now - 30,
      Home: 0,
      End: this.#duration,
    }[event.key]
    if (to === undefined) {
      if (event.key !== " " && event.key !== "Enter") return
      event.preventDefault()
      return this.#toggle()
    }
    event.preventDefault()
    this.#go(to)
  }

  #go(seconds) {
    this.#open().currentTime = Math.max(0, Math.min(seconds, this.#duration))
    this.#show()
  }

  #show = () => {
    const playing = this.#audio !== null && !this.#audio.paused
    const now = this.#audio?.currentTime ?? 0
    const button = this.querySelector("[data-play]")
    button.ariaLabel = `${playing ? "Pause" : "Play"} ${this.dataset.what}`
    button.firstElementChild.className = playing ? "bars" : "tri"
    this.toggleAttribute("data-playing", playing)
    if (this.#mute) this.#mute.ariaPressed = `${this.#muted}`
    const share = this.#duration > 0 ? Math.min(1, now / this.#duration) : 0
    this.#played.setAttribute("width", `${share * 100}%`)
    const seek = this.querySelector("[data-seek]")
    seek.ariaValueNow = `${Math.round(now)}`
    seek.ariaValueText = `${clock(now)} of ${clock(this.#duration)}`
    this.querySelector("[data-time]").textContent = now > 0 ? `${clock(now)} / ${clock(this.#duration)}` : clock(this.#duration)
  }
}

function clock(seconds) {
  const whole = Math.round(seconds)
  return `${Math.floor(whole / 60)}:${`${whole % 60}`.padStart(2, "0")}`
}

customElements.define("neo-player", NeoPlayer)
