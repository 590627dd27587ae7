import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap, indentWithTab, isolateHistory } from "@codemirror/commands"
import { javascript, javascriptLanguage, localCompletionSource, snippets } from "@codemirror/lang-javascript"
import { bracketMatching, foldGutter, foldKeymap, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language"
import { forceLinting, linter, lintGutter, lintKeymap } from "@codemirror/lint"
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search"
import { Compartment, EditorState, Prec, StateEffect } from "@codemirror/state"
import { crosshairCursor, drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers, rectangularSelection } from "@codemirror/view"
import { tags } from "@lezer/highlight"
import { findSyntaxError } from "./check.js"
import { words } from "./words.js"

/** How long typing rests before the text is looked through for mistakes. */
const CHECK_AFTER_MS = 600

/** Says that a run found something out, so that the marks are made anew. */
const ran = StateEffect.define()

// <neo-code mode="p5|three|canvas" label>: the editor. It lives in a shadow root, where CodeMirror puts its styles into adopted sheets, so that
// the page's policy stays without inline style. Tells `code:typed` at each change, and `code:key` {does} for keys that are not its own: run, stop,
// again, save.
class NeoCode extends HTMLElement {
  #view
  #faults = [] // what the last run ran into: { line, column, message }
  #quiet = false
  #wrapping = new Compartment()

  connectedCallback() {
    if (this.#view) return
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" })
    this.#view = new EditorView({ root, parent: root, state: this.#state("") })
    this.toggleAttribute("ready", true)
  }

  disconnectedCallback() {
    this.#view?.destroy()
    this.#view = null
  }

  /** The text, with LF at the ends of lines. */
  get text() {
    return this.#view.state.doc.toString()
  }

  /** Puts a text in the place of what is there: as one change, that can be undone; the caret stays where it can. */
  replace(text) {
    const before = this.text
    if (text === before) return
    let from = 0
    while (from < text.length && text[from] === before[from]) from++
    let end = 0
    while (end < Math.min(text.length, before.length) - from && text.at(-1 - end) === before.at(-1 - end)) end++
    this.#quietly(() => this.#view.dispatch({ changes: { from, to: before.length - end, insert: text.slice(from, text.length - end) }, annotations: isolateHistory.of("full") }))
  }

  /** The first text: nothing leads back behind it. */
  begin(text) {
    this.#view.setState(this.#state(text))
  }

  /** Goes to a line and a column, both from 1, and takes the focus. */
  go(line, column = 1) {
    const at = this.#place(line, column)
    this.#view.dispatch({ selection: { anchor: at }, effects: EditorView.scrollIntoView(at, { y: "center" }) })
    this.#view.focus()
  }

  focus() {
    this.#view.focus()
  }

  /** Marks what a run ran into. */
  fault({ line, column, message }) {
    if (!line) return
    this.#faults = [...this.#faults.filter((fault) => fault.line !== line || fault.message !== message), { line, column, message }].slice(-20)
    this.#mark()
  }

  /** Takes such marks away: it runs anew. */
  clear() {
    if (this.#faults.length === 0) return
    this.#faults = []
    this.#mark()
  }

  #mark() {
    this.#view.dispatch({ effects: ran.of(null) })
    forceLinting(this.#view)
  }

  #quietly(act) {
    this.#quiet = true
    act()
    this.#quiet = false
  }

  #state(text) {
    const mode = this.getAttribute("mode")
    const does = (what) => () => {
      this.dispatchEvent(new CustomEvent("code:key", { bubbles: true, detail: { does: what } }))
      return true
    }
    const keys = [
      { key: "Mod-Enter", run: does("run") },
      { key: "Shift-Mod-Enter", run: does("again") },
      { key: "Mod-.", run: does("stop") },
      { key: "Mod-s", run: does("save"), preventDefault: true },
    ]
    return EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of(keys)),
        lineNumbers(),
        highlightActiveLineGutter(),
        highlightSpecialChars(),
        history(),
        foldGutter(),
        drawSelection(),
        EditorState.allowMultipleSelections.of(true),
        EditorState.lineSeparator.of("\n"),
        indentUnit.of("  "),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ override: [words(mode), localCompletionSource, snippetSource], icons: false }),
        rectangularSelection(),
        crosshairCursor(),
        highlightActiveLine(),
        highlightSelectionMatches(),
        javascript(),
        syntaxHighlighting(inks),
        lintGutter(),
        linter(this.#lint, { delay: CHECK_AFTER_MS, needsRefresh: (update) => update.transactions.some((one) => one.effects.some((effect) => effect.is(ran))) }),
        // Escape and then Tab leaves: CodeMirror keeps its hands off Tab for two seconds after Escape.
        keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...foldKeymap, ...completionKeymap, ...lintKeymap, indentWithTab]),
        this.#wrapping.of(EditorView.lineWrapping),
        EditorView.contentAttributes.of({ "aria-label": this.getAttribute("label"), autocapitalize: "off", autocorrect: "off", tabindex: "0" }),
        EditorView.updateListener.of((update) => update.docChanged && this.#changed(update)),
        look,
      ],
    })
  }

  #changed(update) {
    // A fault moves along with its line; when the line itself is changed it may be mended, so it goes.
    this.#faults = this.#faults.flatMap((fault) => {
      const old = update.startState.doc
      if (fault.line > old.lines) return []
      const { from, to } = old.line(fault.line)
      if (update.changes.touchesRange(from, to)) return []
      return [{ ...fault, line: update.state.doc.lineAt(update.changes.mapPos(from, 1)).number }]
    })
    if (!this.#quiet) this.dispatchEvent(new CustomEvent("code:typed", { bubbles: true }))
  }

  #lint = async (view) => {
    const doc = view.state.doc
    const wrong = await findSyntaxError(doc.toString(), this.getAttribute("mode"))
    const all = [...this.#faults]
    // The same mistake, told by the run and found here, is one.
    if (wrong && !all.some((fault) => fault.line === wrong.line)) all.push(wrong)
    return all
      .filter(({ line }) => line <= doc.lines)
      .map(({ line, column, message }) => {
        const whole = doc.line(line)
        // The word that begins there; without a column, the line.
        const at = Math.max(0, (column ?? 1) - 1)
        const length = column ? (/^[\w$]+|^./.exec(whole.text.slice(at))?.[0].length ?? 0) : whole.length
        const from = Math.min(whole.from + at, whole.to)
        return { from, to: from + length, severity: "error", message }
      })
  }

  #place(line, column) {
    const doc = this.#view.state.doc
    const whole = doc.line(Math.max(1, Math.min(line, doc.lines)))
    return Math.min(whole.from + Math.max(0, column - 1), whole.to)
  }
}

const snippetSource = (context) => {
  const word = context.matchBefore(/\w+/)
  if (!word && !context.explicit) return null
  return { from: word?.from ?? context.pos, options: snippets, validFor: /^\w*$/ }
}

// Three inks and the black plate: what leads is blue, what is said is green, what is only noted is worn.
const inks = HighlightStyle.define([
  { tag: [tags.keyword, tags.modifier, tags.operatorKeyword, tags.self, tags.null], color: "var(--link)", fontWeight: "700" },
  { tag: [tags.string, tags.special(tags.string), tags.regexp], color: "var(--ok-text)" },
  { tag: [tags.number, tags.bool, tags.escape], color: "var(--danger-text)" },
  { tag: tags.comment, color: "var(--ink-2)" },
  { tag: [tags.function(tags.variableName), tags.function(tags.propertyName)], color: "var(--link)" },
  { tag: tags.definition(tags.variableName), fontWeight: "700" },
  { tag: tags.invalid, color: "var(--danger-text)", textDecoration: "underline wavy" },
])

const look = EditorView.theme({
  "&": { blockSize: "100%", color: "var(--ink)", backgroundColor: "var(--well)", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "none" }, // the ring is drawn by the host, above the gutters
  ".cm-scroller": { fontFamily: "var(--font-mono)", fontStretch: "87.5%", lineHeight: "1.6" },
  ".cm-content": { caretColor: "var(--ink)", paddingBlock: "0.5rem" },
  ".cm-cursor, .cm-dropCursor": { borderInlineStart: "2px solid var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "color-mix(in oklab, var(--second) 28%, var(--well))" },
  ".cm-gutters": { backgroundColor: "var(--sheet)", color: "var(--ink-2)", border: "0", borderInlineEnd: "2px solid var(--hair)" },
  ".cm-lineNumbers .cm-gutterElement": { paddingInline: "0.5rem 0.5rem" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--band) 45%, transparent)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--band)", color: "var(--ink)" },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": { backgroundColor: "transparent", outline: "2px solid var(--ok-text)", outlineOffset: "-1px" },
  ".cm-nonmatchingBracket, &.cm-focused .cm-nonmatchingBracket": { backgroundColor: "transparent", outline: "2px dashed var(--danger-text)" },
  ".cm-selectionMatch": { backgroundColor: "color-mix(in oklab, var(--accent) 30%, transparent)" },
  ".cm-searchMatch": { backgroundColor: "color-mix(in oklab, var(--accent) 35%, transparent)", outline: "1px solid var(--ok-text)" },
  ".cm-searchMatch-selected": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
  ".cm-foldPlaceholder": { background: "var(--band)", border: "1px solid var(--line)", color: "var(--ink)", paddingInline: "0.25rem" },
  ".cm-foldGutter .cm-gutterElement": { cursor: "pointer" },
  ".cm-gutter-lint": { inlineSize: "1.25rem" },
  ".cm-gutter-lint .cm-gutterElement": { padding: "0" },
  ".cm-lint-marker-error": { content: "normal", inlineSize: "100%", blockSize: "100%", background: "var(--danger)", color: "var(--on-third)" },
  ".cm-lint-marker-error::before": { content: "'!'", display: "block", textAlign: "center", font: "400 1.25rem/1 var(--font-pixel)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--danger-text) 2px", textUnderlineOffset: "3px" },
  ".cm-lintPoint-error::after": { borderBottomColor: "var(--danger-text)" },
  ".cm-tooltip": { background: "var(--sheet)", color: "var(--ink)", border: "2px solid var(--line)", boxShadow: "4px 4px 0 var(--line)", fontFamily: "var(--font-text)", fontSize: "0.875rem", maxInlineSize: "24rem" },
  ".cm-diagnostic": { padding: "0.5rem 0.75rem", borderInlineStart: "0" },
  ".cm-diagnostic-error": { borderInlineStart: "8px solid var(--danger)" },
  ".cm-diagnosticSource": { display: "none" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul": { fontFamily: "var(--font-mono)", fontSize: "0.8125rem", fontStretch: "87.5%", maxBlockSize: "14rem" },
  ".cm-tooltip.cm-tooltip-autocomplete > ul > li": { padding: "0.125rem 0.5rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { background: "var(--mark)", color: "var(--on-mark)" },
  ".cm-completionMatchedText": { textDecoration: "none", fontWeight: "700" },
  ".cm-completionDetail": { fontStyle: "normal", opacity: "0.85" },
  ".cm-tooltip.cm-completionInfo": { padding: "0.5rem 0.75rem" },
  ".cm-panels": { background: "var(--band)", color: "var(--ink)", zIndex: "5" },
  ".cm-panels.cm-panels-bottom": { borderBlockStart: "3px solid var(--line)" },
  ".cm-panels.cm-panels-top": { borderBlockEnd: "3px solid var(--line)" },
  ".cm-panel.cm-search": { padding: "0.5rem 2.5rem 0.5rem 0.75rem", fontFamily: "var(--font-text)" },
  ".cm-panel.cm-search label": { fontSize: "0.875rem", marginInlineEnd: "0.75rem" },
  ".cm-textfield": { background: "var(--well)", color: "var(--ink)", border: "2px solid var(--line)", borderBlockEndWidth: "4px", minBlockSize: "2rem", font: "inherit", fontSize: "0.875rem", verticalAlign: "middle" },
  ".cm-button": { backgroundImage: "none", background: "var(--sheet)", color: "var(--ink)", border: "2px solid var(--line)", borderRadius: "0", minBlockSize: "2rem", font: "400 1.25rem/1 var(--font-pixel)", cursor: "pointer", textTransform: "none" },
  ".cm-button:hover": { background: "var(--accent)", color: "var(--on-accent)" },
  ".cm-button:active": { backgroundImage: "none", background: "var(--accent)" },
  ":is(.cm-button, .cm-textfield, .cm-panel [type=checkbox], .cm-panel [name=close]):focus-visible": { outline: "3px solid var(--focus)", outlineOffset: "2px" },
  ".cm-panel.cm-search [name=close]": { color: "var(--ink)", fontSize: "1.5rem", insetInlineEnd: "0.5rem", minInlineSize: "2rem", minBlockSize: "2rem", cursor: "pointer" },
  "@media (pointer: coarse)": { ".cm-button, .cm-textfield": { minBlockSize: "2.75rem" } },
})

customElements.define("neo-code", NeoCode)
