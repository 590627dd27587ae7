// Times as the reader's clock shows them. The server writes them in UTC, for those without JavaScript.
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" })
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" })
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" })

/** When a message was said, in Unix milliseconds. */
export function at(message) {
  return Date.parse(message.querySelector("time").dateTime)
}

/** The day of a moment in words, which is the same text for all moments of a day. */
export function dayOf(ms) {
  return day.format(ms)
}

/** Puts the reader's own time into every `time` of an element; `full` says the day too. */
export function localise(element, full = false) {
  for (const time of element.querySelectorAll("time[datetime]")) {
    const ms = Date.parse(time.dateTime)
    if (Number.isNaN(ms)) continue
    time.textContent = full ? `${day.format(ms)}, ${hour.format(ms)}` : hour.format(ms)
    time.title = whole.format(ms)
  }
}
