/** Characters of a message, in a room or to one person, counted as the server counts them. */
const MOST = 4_000
/** From so many left on they are shown. */
const COUNT_FROM = 300

/** Says on `counter` how many characters are left of a message, once they are few; answers how many, less than none for too many. */
export function showLeft(counter, text) {
  const left = MOST - [...text].length
  counter.hidden = left > COUNT_FROM
  counter.textContent = left >= 0 ? `${left} left` : `${-left} too many: a message has at most ${MOST.toLocaleString("en")} characters`
  counter.classList.toggle("over", left < 0)
  return left
}

/** Says something on a line that is there for it, or nothing any more. */
export function tell(line, message) {
  line.textContent = message ?? ""
  line.hidden = !message
}
