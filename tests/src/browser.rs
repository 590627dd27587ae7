//! Chromium, driven over the Chrome DevTools Protocol (<https://chromedevtools.github.io/devtools-protocol/>).
//!
//! A [`Browser`] is one process; each [`Page`] opened with [`Browser::page`] belongs to another person: it shares no
//! cookie, storage or cache with the others. Selectors are CSS and look into shadow roots too. A text in double quotes
//! at the end demands that the element contains it: `button "Sign"`. What acts on an element waits until it is there,
//! visible, still and not covered.
//!
//! When a page is dropped, it must have reported nothing to its console that the test did not [`Page::allow`]: no
//! error, no exception, no violation of the content security policy, no failed request.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::{PATIENCE, Person, build_folder, eventually, socket::Socket};

/// Between two looks at a page that a test waits on.
const LOOK: Duration = Duration::from_millis(20);

/// How long one look may take. A question that meets a change of the page may never be answered: ask again.
const GLANCE: Duration = Duration::from_secs(5);

/// A Chromium process.
pub struct Browser {
    chromium: Child,
    devtools: Devtools,
    _profile: TempDir,
}

impl Browser {
    /// Starts a headless Chromium with an empty profile.
    ///
    /// # Panics
    /// When there is none.
    pub fn start() -> Browser {
        Self::start_with(&[])
    }

    /// Starts it with further command-line switches.
    pub fn start_with(switches: &[&str]) -> Browser {
        let profile = TempDir::with_prefix("neospace-chromium-").expect("a temporary folder can be made");
        let mut command = Command::new(std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into()));
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-background-timer-throttling",
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
            "--disable-component-update",
            "--disable-default-apps",
            "--disable-extensions",
            "--disable-sync",
            "--disable-features=Translate,MediaRouter,OptimizationHints",
            "--force-color-profile=srgb",
            "--hide-scrollbars",
            "--lang=en",
            "--metrics-recording-only",
            "--no-default-browser-check",
            "--no-first-run",
            "--password-store=basic",
            "--remote-debugging-port=0",
            "--use-mock-keychain",
            "--window-size=1280,800",
        ]);
        command
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .args(switches)
            .arg("about:blank");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut chromium = command.spawn().unwrap_or_else(|error| {
            panic!("Chromium can't be started ({error}): `cargo xtask test` installs it, or set CHROMIUM to its path")
        });

        let mut output = BufReader::new(chromium.stderr.take().expect("it was piped")).lines();
        let mut before = Vec::new();
        let url = loop {
            let Some(Ok(line)) = output.next() else {
                panic!("Chromium ended at once:\n{}", before.join("\n"))
            };
            if let Some(url) = line.strip_prefix("DevTools listening on ") {
                break url.to_owned();
            }
            before.push(line);
        };
        // What it says later is of no interest, but must be taken in, or it would be stuck at a full pipe.
        thread::spawn(move || output.for_each(drop));
        Browser {
            chromium,
            devtools: Devtools::connect(&url),
            _profile: profile,
        }
    }

    /// An empty page for somebody new: nobody else's cookies, storage or cache. 1280 × 800 pixels, light.
    pub fn page(&self) -> Page {
        let context = self
            .devtools
            .call(None, "Target.createBrowserContext", json!({ "disposeOnDetach": true }));
        Page::open(
            &self.devtools,
            context["browserContextId"].as_str().expect("a context has an id"),
        )
    }

    /// A page for `person` with their cookies, so that they are logged in here when they are there.
    pub fn page_of(&self, person: &Person) -> Page {
        let page = self.page();
        let cookies: Vec<_> = person.cookies().iter().map(|(name, value)| json!({ "name": name, "value": value, "url": person.origin(), "httpOnly": true, "sameSite": "Lax" })).collect();
        self.devtools.call(
            None,
            "Storage.setCookies",
            json!({ "cookies": cookies, "browserContextId": page.context }),
        );
        page
    }
}

impl Browser {
    /// Ends it in order, so that what it writes as it goes (a log of its network, say) is whole.
    pub fn close(mut self) {
        let _ = self.devtools.try_call(None, "Browser.close", json!({}));
        let _ = self.chromium.wait();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers are in its process group.
        // SAFETY: kill touches no memory of this process.
        unsafe { libc::kill(-(self.chromium.id() as i32), libc::SIGKILL) };
        let _ = self.chromium.wait();
    }
}

/// The protocol's connection: calls and their answers, and events by session.
#[derive(Clone)]
struct Devtools(Arc<Connection>);

struct Connection {
    socket: Socket,
    next: AtomicU64,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// Calls that wait for their answer.
    open: HashMap<u64, mpsc::Sender<Value>>,
    /// What each session has reported.
    sessions: HashMap<String, Reported>,
}

#[derive(Default)]
struct Reported {
    /// The loaders whose page has loaded.
    loaded: Vec<String>,
    faults: Vec<String>,
    dialogs: Vec<String>,
    /// Requests by address, as they were sent.
    requests: Vec<String>,
    /// All that left the page: requests whole, and frames of sockets.
    sent: Vec<String>,
    /// What was asked for, by the request's id: its kind, its address, and once it has come, its bytes on the line.
    received: HashMap<String, (Received, bool)>,
}

/// Something that a page has loaded.
#[derive(Clone, Debug)]
pub struct Received {
    /// As the protocol names it: `Document`, `Script`, `Stylesheet`, `Font`, `Image`, …
    pub kind: String,
    pub url: String,
    /// With its head, as it came: compressed.
    pub bytes: u64,
}

impl Devtools {
    fn connect(url: &str) -> Devtools {
        let shared = Arc::new(Mutex::new(Shared::default()));
        let filled = shared.clone();
        let request = url.into_client_request().expect("Chromium names a URL");
        let socket = Socket::open(request, move |message| {
            let mut shared = filled.lock().unwrap_or_else(PoisonError::into_inner);
            match message {
                Some(Message::Text(text)) => shared.take(serde_json::from_str(&text).expect("Chromium speaks JSON")),
                // Whoever waits for an answer now gets none.
                None => shared.open.clear(),
                _ => {}
            }
        });
        let socket = socket.expect("Chromium listens where it says");
        Devtools(Arc::new(Connection {
            socket,
            next: AtomicU64::new(1),
            shared,
        }))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.try_call(session, method, parameters)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value, String> {
        self.try_call_for(2 * PATIENCE, session, method, parameters)
    }

    fn try_call_for(
        &self,
        patience: Duration,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = mpsc::channel();
        self.shared().open.insert(id, sender);
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        self.0.socket.send(call.to_string());
        let mut answer = answer
            .recv_timeout(patience)
            .map_err(|_| String::from("Chromium doesn't answer"))?;
        match answer.get("error") {
            Some(error) => Err(error["message"].as_str().unwrap_or_default().to_owned()),
            None => Ok(answer["result"].take()),
        }
    }
}

impl Shared {
    fn take(&mut self, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            if let Some(waiting) = self.open.remove(&id) {
                let _ = waiting.send(message);
            }
            return;
        }
        let Some(reported) = message["sessionId"]
            .as_str()
            .and_then(|session| self.sessions.get_mut(session))
        else {
            return;
        };
        let parameters = message["params"].take();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match message["method"].as_str().unwrap_or_default() {
            "Page.lifecycleEvent" if parameters["name"] == "load" => {
                reported.loaded.push(text(&parameters["loaderId"]))
            }
            "Page.javascriptDialogOpening" => reported.dialogs.push(text(&parameters["message"])),
            "Network.requestWillBeSent" => {
                reported.requests.push(text(&parameters["request"]["url"]));
                reported.sent.push(parameters["request"].to_string());
                let received = Received {
                    kind: text(&parameters["type"]),
                    url: text(&parameters["request"]["url"]),
                    bytes: 0,
                };
                reported
                    .received
                    .insert(text(&parameters["requestId"]), (received, false));
            }
            "Network.loadingFinished" => {
                if let Some((received, whole)) = reported.received.get_mut(&text(&parameters["requestId"])) {
                    received.bytes = parameters["encodedDataLength"].as_f64().unwrap_or_default() as u64;
                    *whole = true;
                }
            }
            "Network.requestWillBeSentExtraInfo" => reported.sent.push(parameters["headers"].to_string()),
            "Network.webSocketFrameSent" => reported.sent.push(text(&parameters["response"]["payloadData"])),
            "Log.entryAdded" => {
                let entry = &parameters["entry"];
                if entry["level"] == "error" || entry["source"] == "security" {
                    reported
                        .faults
                        .push(format!("{} ({})", text(&entry["text"]), text(&entry["url"])));
                }
            }
            "Runtime.exceptionThrown" => {
                let details = &parameters["exceptionDetails"];
                reported.faults.push(format!(
                    "{} {} ({}:{})",
                    text(&details["text"]),
                    text(&details["exception"]["description"]),
                    text(&details["url"]),
                    details["lineNumber"]
                ));
            }
            "Runtime.consoleAPICalled" if parameters["type"] == "error" || parameters["type"] == "assert" => {
                let words: Vec<_> = parameters["args"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|word| {
                        word.get("value")
                            .or(word.get("description"))
                            .map(Value::to_string)
                            .unwrap_or_default()
                    })
                    .collect();
                reported.faults.push(format!("console.error: {}", words.join(" ")));
            }
            _ => {}
        }
    }
}

/// A browser tab of one person.
pub struct Page {
    devtools: Devtools,
    context: String,
    session: String,
    allowed: Mutex<Vec<String>>,
}

/// A point on the page, in CSS pixels from the viewport's top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

/// Where an element is, in CSS pixels from the viewport's top left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Place {
    /// The point in the middle.
    pub fn centre(self) -> Point {
        Point {
            x: self.x + self.width / 2.0,
            y: self.y + self.height / 2.0,
        }
    }
}

/// `find(selector, text)`: all elements in the document and its shadow roots. The functions that follow it build on it.
const HELPERS: &str = r#"
    const find = (selector, text) => {
        const found = []
        const look = root => {
            found.push(...root.querySelectorAll(selector))
            for (const element of root.querySelectorAll("*")) if (element.shadowRoot) look(element.shadowRoot)
        }
        look(document)
        if (text === null) return found
        const said = element => element.shadowRoot ? element.shadowRoot.textContent + element.textContent : element.textContent + (element.value ?? "") + (element.getAttribute("aria-label") ?? "")
        return found.filter(element => said(element).replace(/\s+/g, " ").includes(text))
    }
    const seen = element => element.checkVisibility({ visibilityProperty: true, opacityProperty: false }) && element.getClientRects().length > 0
    const within = (outer, inner) => {
        for (let node = inner; node; node = node.parentNode ?? node.host) if (node === outer) return true
        return false
    }
    const deepest = (x, y) => {
        let element = document.elementFromPoint(x, y)
        while (element?.shadowRoot) {
            const inner = element.shadowRoot.elementFromPoint(x, y)
            if (!inner || inner === element) break
            element = inner
        }
        return element
    }
"#;

impl Page {
    fn open(devtools: &Devtools, context: &str) -> Page {
        let target = devtools.call(
            None,
            "Target.createTarget",
            json!({ "url": "about:blank", "browserContextId": context, "width": 1280, "height": 800 }),
        );
        let attached = devtools.call(
            None,
            "Target.attachToTarget",
            json!({ "targetId": target["targetId"], "flatten": true }),
        );
        let session = attached["sessionId"]
            .as_str()
            .expect("an attached target has a session")
            .to_owned();
        devtools.shared().sessions.insert(session.clone(), Reported::default());
        let page = Page {
            devtools: devtools.clone(),
            context: context.into(),
            session,
            allowed: Mutex::default(),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page.call("Page.setLifecycleEventsEnabled", json!({ "enabled": true }));
        page.viewport(1280, 800);
        page.scheme("light");
        page
    }

    /// Calls a method of the protocol for this page.
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        self.devtools.call(Some(&self.session), method, parameters)
    }

    // ── where we are ───────────────────────────────────────────────────────────────────────────

    /// Goes to an address, and waits until the page and what it needs are loaded.
    pub fn goto(&self, url: &str) -> &Self {
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{url}: {}", went["errorText"]);
        // Going to another place on the same page loads nothing.
        if let Some(loader) = went["loaderId"].as_str() {
            eventually(&format!("{url} to be loaded"), || {
                self.reported(|reported| reported.loaded.iter().any(|loaded| loaded == loader))
                    .then_some(())
            });
        }
        self
    }

    /// Reloads, and waits until that is done.
    pub fn reload(&self) -> &Self {
        let before = self.reported(|reported| reported.loaded.len());
        self.call("Page.reload", json!({}));
        eventually("the page to be loaded again", || {
            self.reported(|reported| reported.loaded.len() > before).then_some(())
        });
        self
    }

    /// The page's address.
    pub fn url(&self) -> String {
        self.eval("location.href").as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page's path is this one.
    pub fn wait_for_path(&self, path: &str) -> &Self {
        self.wait_until(&format!(
            "location.pathname === {} && document.readyState === \"complete\"",
            json!(path)
        ));
        self
    }

    // ── what is there ──────────────────────────────────────────────────────────────────────────

    /// Evaluates JavaScript, waiting for it if it is a promise, and says what comes of it. (Works where the page's own
    /// JavaScript is off, too.)
    pub fn eval(&self, script: &str) -> Value {
        self.try_eval(2 * PATIENCE, script)
            .unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    fn try_eval(&self, patience: Duration, script: &str) -> Result<Value, String> {
        let parameters =
            json!({ "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut answer = self
            .devtools
            .try_call_for(patience, Some(&self.session), "Runtime.evaluate", parameters)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{} {}", details["text"], details["exception"]["description"])),
            None => Ok(answer["result"]["value"].take()),
        }
    }

    /// Evaluates a function's body in which `found` are the elements that `selector` finds.
    fn look(&self, selector: &str, body: &str) -> Result<Value, String> {
        let (css, text) = parts(selector);
        self.try_eval(
            GLANCE,
            &format!(
                "(() => {{ {HELPERS} const found = find({}, {}); {body} }})()",
                json!(css),
                json!(text)
            ),
        )
    }

    /// Waits until a JavaScript expression is true. (An exception, such as the change of the page brings, is not true.)
    pub fn wait_until(&self, expression: &str) -> &Self {
        let mut last = String::new();
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.try_eval(GLANCE, &format!("!!({expression})")) {
                Ok(Value::Bool(true)) => return self,
                Ok(_) => last.clear(),
                Err(error) => last = error,
            }
            thread::sleep(LOOK);
        }
        panic!("waited in vain for {expression} {last}{}", self.shown())
    }

    /// Waits until there is such an element, and it can be seen.
    #[track_caller]
    pub fn wait_for(&self, selector: &str) -> &Self {
        self.wait(selector, "return found.some(seen) || null", "to be seen");
        self
    }

    /// Waits until there is no such element, or none that can be seen.
    #[track_caller]
    pub fn wait_gone(&self, selector: &str) -> &Self {
        self.wait(selector, "return !found.some(seen) || null", "to go");
        self
    }

    #[track_caller]
    fn wait(&self, selector: &str, body: &str, what: &str) -> Value {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < PATIENCE {
            match self.look(selector, body) {
                Ok(Value::Null) => last.clear(),
                Ok(found) => return found,
                Err(error) => last = error,
            }
            thread::sleep(LOOK);
        }
        panic!("waited in vain for {selector} {what} {last}{}", self.shown())
    }

    /// Whether there is such an element now that can be seen.
    pub fn has(&self, selector: &str) -> bool {
        self.look(selector, "return found.some(seen)") == Ok(Value::Bool(true))
    }

    /// How many such elements can be seen now.
    pub fn count(&self, selector: &str) -> usize {
        let count = self
            .look(selector, "return found.filter(seen).length")
            .unwrap_or_else(|error| panic!("{selector}: {error}"));
        count.as_u64().expect("a length is a number") as usize
    }

    /// The text of the first such element, waiting for it; blanks are drawn together.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let text = self.wait(
            selector,
            "return found.length ? (found[0].shadowRoot ?? found[0]).textContent.replace(/\\s+/g, ' ').trim() : null",
            "to be there",
        );
        text.as_str().expect("a text").to_owned()
    }

    /// The value of the first such field, waiting for it.
    #[track_caller]
    pub fn value(&self, selector: &str) -> String {
        self.wait(
            selector,
            "return found.length ? String(found[0].value) : null",
            "to be there",
        )
        .as_str()
        .expect("a text")
        .to_owned()
    }

    /// An attribute of the first such element, waiting for the element; nothing when it has none of that name.
    #[track_caller]
    pub fn attribute(&self, selector: &str, name: &str) -> Option<String> {
        let body = format!(
            "return found.length ? {{ value: found[0].getAttribute({}) }} : null",
            json!(name)
        );
        self.wait(selector, &body, "to be there")["value"]
            .as_str()
            .map(str::to_owned)
    }

    /// Where the first such element is that can be seen, once it stands still.
    #[track_caller]
    pub fn place(&self, selector: &str) -> Place {
        let body = "const it = found.find(seen); if (!it) return null; const { x, y, width, height } = it.getBoundingClientRect(); return { x, y, width, height }";
        let mut before = Value::Null;
        loop {
            let now = self.wait(selector, body, "to be seen");
            if now == before {
                let number = |name: &str| now[name].as_f64().expect("a rectangle has numbers");
                return Place {
                    x: number("x"),
                    y: number("y"),
                    width: number("width"),
                    height: number("height"),
                };
            }
            before = now;
            thread::sleep(LOOK);
        }
    }

    // ── what one does ──────────────────────────────────────────────────────────────────────────

    /// Clicks on the first such element that can be seen, with the mouse, once nothing covers it.
    #[track_caller]
    pub fn click(&self, selector: &str) -> &Self {
        let point = self.reach(selector);
        self.mouse("mouseMoved", point, 0)
            .mouse("mousePressed", point, 1)
            .mouse("mouseReleased", point, 1)
    }

    /// Scrolls the first such element that can be seen into view, waits until it stands still and nothing covers it, and says where its
    /// centre is.
    #[track_caller]
    pub fn reach(&self, selector: &str) -> Point {
        let body = r#"
            const it = found.find(seen)
            if (!it) return null
            const inside = ({ x, y, width, height }) => x >= 0 && y >= 0 && x + width <= innerWidth && y + height <= innerHeight
            if (!inside(it.getBoundingClientRect())) it.scrollIntoView({ block: "center", inline: "center", behavior: "instant" })
            const box = it.getClientRects()[0], x = box.x + box.width / 2, y = box.y + box.height / 2
            const hit = deepest(x, y)
            const label = hit?.closest("label")
            if (hit && (within(it, hit) || within(hit, it) && getComputedStyle(it).pointerEvents === "none" || label?.control === it)) return { x, y }
            // Something that sticks to the window's edge may lie over it.
            it.scrollIntoView({ block: "center", inline: "center", behavior: "instant" })
            return null"#;
        let mut before = Value::Null;
        loop {
            let now = self.wait(selector, body, "to be reached with the mouse");
            if now == before {
                return Point {
                    x: now["x"].as_f64().expect("a number"),
                    y: now["y"].as_f64().expect("a number"),
                };
            }
            before = now;
            thread::sleep(LOOK);
        }
    }

    /// Presses the mouse button on the first such element, moves in steps to a point, and lets go there.
    #[track_caller]
    pub fn drag(&self, selector: &str, to: Point) -> &Self {
        let from = self.reach(selector);
        self.carry(from, to)
    }

    /// As [`Page::drag`], to a point of another element: at this share of its width and height. Where that is shows only
    /// once the first has been scrolled into view.
    #[track_caller]
    pub fn drag_onto(&self, selector: &str, onto: &str, (across, down): (f64, f64)) -> &Self {
        let from = self.reach(selector);
        let place = self.place(onto);
        self.carry(
            from,
            Point {
                x: place.x + place.width * across,
                y: place.y + place.height * down,
            },
        )
    }

    fn carry(&self, from: Point, to: Point) -> &Self {
        const STEPS: u32 = 12;
        self.mouse("mouseMoved", from, 0).mouse("mousePressed", from, 1);
        for step in 1..=STEPS {
            let part = f64::from(step) / f64::from(STEPS);
            self.mouse(
                "mouseMoved",
                Point {
                    x: from.x + (to.x - from.x) * part,
                    y: from.y + (to.y - from.y) * part,
                },
                1,
            );
        }
        self.mouse("mouseReleased", to, 1)
    }

    fn mouse(&self, event: &str, at: Point, buttons: u8) -> &Self {
        let (button, clicks) = if event == "mouseMoved" {
            ("none", 0)
        } else {
            ("left", 1)
        };
        let buttons = if event == "mouseReleased" { 0 } else { buttons };
        self.call("Input.dispatchMouseEvent", json!({ "type": event, "x": at.x, "y": at.y, "button": button, "buttons": buttons, "clickCount": clicks, "pointerType": "mouse" }));
        self
    }

    /// Puts the first such field's content in the place of what was in it, as if typed.
    #[track_caller]
    pub fn fill(&self, selector: &str, text: &str) -> &Self {
        self.wait(
            selector,
            "const it = found.find(seen); if (!it) return null; it.focus(); it.select?.(); return true",
            "to be filled in",
        );
        if text.is_empty() {
            self.press("Delete")
        } else {
            self.type_text(text)
        }
    }

    /// Chooses an option of the first such `select` by its value, with the events that a person's choice brings.
    #[track_caller]
    pub fn choose(&self, selector: &str, value: &str) -> &Self {
        let body = format!(
            "const it = found.find(seen); if (!it || ![...it.options].some(option => option.value === {value})) return null; it.value = {value}; \
             for (const event of ['input', 'change']) it.dispatchEvent(new Event(event, {{ bubbles: true, composed: true }})); return true",
            value = json!(value)
        );
        self.wait(selector, &body, "to have that option");
        self
    }

    /// Puts the keyboard's focus on the first such element.
    #[track_caller]
    pub fn focus(&self, selector: &str) -> &Self {
        self.wait(
            selector,
            "const it = found.find(seen); if (!it) return null; it.focus(); return true",
            "to be focused",
        );
        self
    }

    /// Types text where the keyboard's focus is.
    pub fn type_text(&self, text: &str) -> &Self {
        self.call("Input.insertText", json!({ "text": text }));
        self
    }

    /// Presses a key, alone or with others held: `Enter`, `Tab`, `Shift+Tab`, `ArrowLeft`, `Control+a`.
    pub fn press(&self, keys: &str) -> &Self {
        let mut modifiers = 0;
        let mut key = keys;
        while let Some((held, rest)) = key.split_once('+').filter(|(_, rest)| !rest.is_empty()) {
            modifiers |= match held {
                "Alt" => 1,
                "Control" => 2,
                "Meta" => 4,
                "Shift" => 8,
                _ => panic!("{held:?} is not held: Alt, Control, Meta, Shift"),
            };
            key = rest;
        }
        let (code, number, text) = match key {
            "Enter" => ("Enter", 13, "\r"),
            "Tab" => ("Tab", 9, ""),
            "Escape" => ("Escape", 27, ""),
            "Space" => ("Space", 32, " "),
            "Backspace" => ("Backspace", 8, ""),
            "Delete" => ("Delete", 46, ""),
            "PageUp" => ("PageUp", 33, ""),
            "PageDown" => ("PageDown", 34, ""),
            "End" => ("End", 35, ""),
            "Home" => ("Home", 36, ""),
            "ArrowLeft" => ("ArrowLeft", 37, ""),
            "ArrowUp" => ("ArrowUp", 38, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            "ArrowDown" => ("ArrowDown", 40, ""),
            "Shift" => ("ShiftLeft", 16, ""),
            letter => (
                letter,
                letter
                    .chars()
                    .next()
                    .map_or(0, |letter| u32::from(letter.to_ascii_uppercase())),
                letter,
            ),
        };
        let name = if key == "Space" { " " } else { key };
        let text = if modifiers & !8 == 0 { text } else { "" };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let key = json!({ "key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers });
        let with = |kind: &str, text: &str| {
            let mut event = key.clone();
            event["type"] = kind.into();
            if !text.is_empty() {
                event["text"] = text.into();
            }
            event
        };
        self.call("Input.dispatchKeyEvent", with(kind, text));
        self.call("Input.dispatchKeyEvent", with("keyUp", ""));
        self
    }

    /// The dialogs (`alert`, `confirm`) that the page has opened.
    pub fn dialogs(&self) -> Vec<String> {
        self.reported(|reported| reported.dialogs.clone())
    }

    /// Answers the dialog that is open.
    pub fn answer_dialog(&self, accept: bool) -> &Self {
        self.call("Page.handleJavaScriptDialog", json!({ "accept": accept }));
        self
    }

    // ── how one looks ──────────────────────────────────────────────────────────────────────────

    /// Sets the window's size in CSS pixels; up to 600 wide it is a phone with a touch screen.
    pub fn viewport(&self, width: u32, height: u32) -> &Self {
        let phone = width <= 600;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone }),
        );
        self.call("Emulation.setTouchEmulationEnabled", json!({ "enabled": phone }));
        self
    }

    /// Wants motion, as most people do.
    pub fn moving(&self) -> &Self {
        let features = json!([{ "name": "prefers-reduced-motion", "value": "no-preference" }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        self
    }

    /// Says where fingers are on a touch screen: `touchStart`, `touchMove` or, with none, `touchEnd`.
    pub fn touch(&self, kind: &str, fingers: &[Point]) -> &Self {
        let points: Vec<_> = fingers
            .iter()
            .enumerate()
            .map(|(id, at)| json!({ "x": at.x, "y": at.y, "id": id }))
            .collect();
        self.call(
            "Input.dispatchTouchEvent",
            json!({ "type": kind, "touchPoints": points }),
        );
        self
    }

    /// Prefers `light` or `dark`. Motion is always reduced, so that pictures stand still.
    pub fn scheme(&self, scheme: &str) -> &Self {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        self
    }

    /// Switches the pages' JavaScript on or off, from the next page on.
    pub fn javascript(&self, on: bool) -> &Self {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": !on }));
        self
    }

    /// Cuts the line, or mends it.
    pub fn offline(&self, offline: bool) -> &Self {
        self.call(
            "Network.emulateNetworkConditions",
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        );
        self
    }

    /// Takes a picture of the whole page into the target directory's `screenshots/NAME.png`, and says where.
    pub fn screenshot(&self, name: &str) -> PathBuf {
        // Fonts and pictures first, those far down included: a picture without them is of another page.
        let images =
            "[...document.images].map(image => { image.loading = 'eager'; return image.decode().catch(() => {}) })";
        self.eval(&format!(
            "Promise.all([document.fonts.ready, ...{images}]).then(() => true)"
        ));
        let size =
            self.eval("({ width: innerWidth, height: Math.max(innerHeight, document.documentElement.scrollHeight) })");
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let taken = self.call(
            "Page.captureScreenshot",
            json!({ "format": "png", "captureBeyondViewport": true, "clip": clip }),
        );
        let png = STANDARD
            .decode(taken["data"].as_str().unwrap_or_default())
            .expect("Chromium sends base64");
        let folder = build_folder().join("../screenshots");
        fs::create_dir_all(&folder).expect("the target directory can be written");
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, png).expect("the folder can be written");
        path
    }

    /// Whether the page is wider than its window, so that one would have to scroll sideways.
    pub fn overflows(&self) -> bool {
        self.eval("document.documentElement.scrollWidth > innerWidth") == Value::Bool(true)
    }

    // ── what the console says ──────────────────────────────────────────────────────────────────

    /// What the page has reported so far: errors, exceptions, violations of the content security policy, failed requests.
    pub fn faults(&self) -> Vec<String> {
        self.reported(|reported| reported.faults.clone())
    }

    /// Permits faults with this text.
    pub fn allow(&self, text: &str) -> &Self {
        self.allowed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.into());
        self
    }

    /// The addresses that the page has requested.
    pub fn requests(&self) -> Vec<String> {
        self.reported(|reported| reported.requests.clone())
    }

    /// What the page has loaded so far, as far as it has come whole.
    pub fn received(&self) -> Vec<Received> {
        self.reported(|reported| {
            let whole = reported.received.values().filter(|(_, whole)| *whole);
            whole.map(|(received, _)| received.clone()).collect()
        })
    }

    /// All that has left the page: each request with its headers and body as JSON, and each frame of a socket.
    pub fn sent(&self) -> Vec<String> {
        self.reported(|reported| reported.sent.clone())
    }

    /// Demands that nothing was reported that isn't allowed.
    #[track_caller]
    pub fn check(&self) {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let faults: Vec<_> = self
            .faults()
            .into_iter()
            .filter(|fault| !allowed.iter().any(|text| fault.contains(text)))
            .collect();
        assert!(faults.is_empty(), "the page's console is not clean: {faults:#?}");
    }

    /// Does something that reports faults which are not the page's own: they are forgotten.
    pub(crate) fn apart<T>(&self, something: impl FnOnce() -> T) -> T {
        let before = self.reported(|reported| reported.faults.len());
        let done = something();
        if let Some(reported) = self.devtools.shared().sessions.get_mut(&self.session) {
            reported.faults.truncate(before);
        }
        done
    }

    fn reported<T>(&self, look: impl FnOnce(&Reported) -> T) -> T {
        look(
            self.devtools
                .shared()
                .sessions
                .get(&self.session)
                .expect("a page's session is known from its opening on"),
        )
    }

    /// What the page shows, for a test's last words.
    fn shown(&self) -> String {
        let text = self.try_eval(GLANCE, &format!("(() => {{ {HELPERS} const said = root => [...root.childNodes].map(node => node.nodeType === 3 ? node.data : /^(SCRIPT|STYLE|TEMPLATE)$/.test(node.nodeName) ? '' : (node.shadowRoot ? said(node.shadowRoot) : '') + said(node)).join(' '); return location.href + '\\n' + said(document.body).replace(/\\s+/g, ' ').slice(0, 3000) }})()"));
        let text = text
            .ok()
            .and_then(|text| text.as_str().map(str::to_owned))
            .unwrap_or_default();
        let picture = self.screenshot(&format!(
            "failed-{}",
            thread::current().name().unwrap_or("test").replace("::", "-")
        ));
        format!(
            "\nThe page ({}) shows {text}\nIts console: {:#?}",
            picture.display(),
            self.faults()
        )
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.check();
        }
        let _ = self.devtools.try_call(
            None,
            "Target.disposeBrowserContext",
            json!({ "browserContextId": self.context }),
        );
    }
}

/// The CSS and the text of a selector such as `button "Sign"`.
fn parts(selector: &str) -> (&str, Option<&str>) {
    let quoted = selector.strip_suffix('"').and_then(|rest| rest.rsplit_once('"'));
    match quoted {
        Some((css, text)) if css.is_empty() || css.ends_with(' ') => {
            (if css.trim().is_empty() { "*" } else { css.trim() }, Some(text))
        }
        _ => (selector, None),
    }
}
