// In the desk's tool pane a page leaves its bar and its status line away, and hands links that lead elsewhere to the desk.
// Not a module: it must have run before the page is drawn.
if (window.top !== window.self) {
  document.documentElement.dataset.pane = ""
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]")
    if (!link || link.target || link.origin !== location.origin) return
    if (/^\/(wall|directory|plugins|random|sandbox|system)(\/|$)|^\/rooms\/search$/.test(link.pathname)) return
    const taken = !window.parent.document.dispatchEvent(new CustomEvent("desk:open", { cancelable: true, detail: { href: link.href } }))
    if (taken) event.preventDefault()
    else link.target = "_top"
  })
}
