//! Somebody who uses the server over HTTP, as a browser would.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use neospace::crypto::{self, Parameters};
use neospace_dm::b64;
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{HeaderMap, Request, Response, header},
};

use crate::{Live, PATIENCE};

/// What everybody's password is.
pub const PASSWORD: &str = "three inks out of register";

/// Somebody with cookies of their own. Clones share them.
#[derive(Clone)]
pub struct Person {
    /// The user name; `guest` for somebody without an account.
    pub name: String,
    /// The server's address.
    pub address: SocketAddr,
    /// For a program: what it comes in with instead of cookies.
    pub token: Option<String>,
    agent: Agent,
    cookies: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Person {
    /// Somebody who comes for the first time.
    pub fn new(name: &str, address: SocketAddr) -> Person {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent("neospace-tests")
            .build();
        Person {
            name: name.into(),
            address,
            token: None,
            agent: config.new_agent(),
            cookies: Arc::default(),
        }
    }

    /// Makes an account with [`PASSWORD`], and is logged in then.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn register(&self) -> &Self {
        self.post("/register", &self.registration(&[]).as_fields()).see_other();
        self
    }

    /// What the registration form sends for this person, with these fields added or replaced.
    pub fn registration(&self, more: &[(&str, &str)]) -> Fields {
        let parameters = parameters(&self.name);
        let mut fields = Fields::default();
        fields
            .set("name", &self.name)
            .set("auth", &auth_key(&self.name, PASSWORD, &parameters));
        fields
            .set("salt", &parameters.salt.to_string())
            .set("rounds", &parameters.rounds.to_string())
            .set("ink", "blue");
        for (name, value) in more {
            fields.set(name, value);
        }
        fields
    }

    /// Tries to log in with this password, as the form does: asks for the account's parameters, and sends the key.
    pub fn try_log_in(&self, password: &str) -> Answer {
        let told = self
            .get(&format!("/login/parameters?{}", encode(&[("name", &self.name)])))
            .expect(200)
            .json();
        let parameters: Parameters = serde_json::from_value(told).expect("salt and rounds");
        self.post(
            "/login",
            &[
                ("name", &self.name),
                ("auth", &auth_key(&self.name, password, &parameters)),
            ],
        )
    }

    /// Logs in with [`PASSWORD`].
    ///
    /// # Panics
    /// When the server refuses.
    pub fn log_in(&self) -> &Self {
        self.try_log_in(PASSWORD).see_other();
        self
    }

    /// The same person at another device: without cookies.
    pub fn elsewhere(&self) -> Person {
        Person::new(&self.name, self.address)
    }

    /// A program of this person's, with a token for these scopes.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn program(&self, scopes: &[&str]) -> Person {
        let mut fields = vec![("name", "a program"), ("days", "90")];
        fields.extend(scopes.iter().map(|scope| ("scope", *scope)));
        let made = self.post_json("/settings/tokens", &fields).expect(201).json();
        self.with_token(made["token"].as_str().expect("the token is text"))
    }

    /// A program that comes in with this token, whoever's it is.
    pub fn with_token(&self, token: &str) -> Person {
        let mut program = self.elsewhere();
        program.token = Some(token.into());
        program
    }

    /// Gets a page; redirects are answers like others.
    pub fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    /// Asks as a program does: the answer is JSON.
    pub fn get_json(&self, path: &str) -> Answer {
        self.request("GET", path).header("accept", "application/json").send()
    }

    /// Sends a form, as a browser without JavaScript does.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.request("POST", path).form(fields).send()
    }

    /// Sends a form as our JavaScript does: the answer is the fragment that changed.
    pub fn post_live(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.request("POST", path)
            .header("accept", "text/vnd.neospace.fragment+html")
            .form(fields)
            .send()
    }

    /// Sends a form as a program does: the answer is JSON.
    pub fn post_json(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.request("POST", path)
            .header("accept", "application/json")
            .form(fields)
            .send()
    }

    /// Signs the guestbook of a wall.
    ///
    /// # Panics
    /// Where there is none, or it takes nothing from this person.
    pub fn sign(&self, wall: &str, text: &str) {
        let forms = self.get(&format!("/wall/{wall}")).expect(200).forms();
        let form = forms
            .iter()
            .find(|form| form.fields.iter().any(|field| field.name == "f-text"));
        let form = form.expect("there is a guestbook");
        let token = form
            .fields
            .iter()
            .find(|field| field.name == "token")
            .expect("it is signed");
        self.post_json(&form.action, &[("token", &token.value), ("f-text", text)])
            .expect(200);
    }

    /// A request to be made differently than a browser would. What changes state says `Sec-Fetch-Site: same-origin`, unless that is
    /// overwritten; a program sends its token instead, and no origin.
    pub fn request(&self, method: &str, path: &str) -> Ask<'_> {
        let mut headers = vec![("accept".into(), "text/html,application/xhtml+xml,*/*;q=0.8".into())];
        if let Some(token) = &self.token {
            headers = vec![
                ("accept".into(), "application/json".into()),
                ("authorization".into(), format!("Bearer {token}")),
            ];
        } else if method != "GET" && method != "HEAD" {
            headers.push(("sec-fetch-site".into(), "same-origin".into()));
            headers.push(("origin".into(), self.origin()));
        }
        Ask {
            person: self,
            method: method.into(),
            path: path.into(),
            headers,
            body: Vec::new(),
        }
    }

    /// Opens the person's `/live` socket.
    pub fn live(&self) -> Live {
        Live::open(self)
    }

    /// The origin that the person's pages have.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The person's cookies, by name.
    pub fn cookies(&self) -> BTreeMap<String, String> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets a cookie, or takes one over from somebody else.
    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), value.into());
    }

    /// The header with all cookies, when there are any.
    pub fn cookie_header(&self) -> Option<String> {
        let cookies: Vec<_> = self
            .cookies()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!cookies.is_empty()).then(|| cookies.join("; "))
    }

    /// Keeps, replaces and forgets cookies as an answer says. (Paths and domains play no part: there is one server.)
    fn take_cookies(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        for header in headers.get_all(header::SET_COOKIE) {
            let header = header.to_str().expect("cookies are ASCII");
            let (pair, attributes) = header.split_once(';').unwrap_or((header, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a name and a value");
            let attributes = attributes.to_ascii_lowercase();
            if attributes.contains("max-age=0") || attributes.contains("01 jan 1970") {
                cookies.remove(name);
            } else {
                cookies.insert(name.into(), value.into());
            }
        }
    }
}

/// A request in the making.
pub struct Ask<'a> {
    person: &'a Person,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Ask<'_> {
    /// Sets a header, in the place of one of that name.
    pub fn header(self, name: &str, value: &str) -> Self {
        let mut ask = self.without(name);
        ask.headers.push((name.into(), value.into()));
        ask
    }

    /// Leaves a header out.
    pub fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(its_name, _)| !its_name.eq_ignore_ascii_case(name));
        self
    }

    /// Sends these fields as a form.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        self.body("application/x-www-form-urlencoded", encode(fields))
    }

    /// Sends these bytes.
    pub fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let mut ask = self.header("content-type", content_type);
        ask.body = body.into();
        ask
    }

    /// Sends it.
    ///
    /// # Panics
    /// When the server doesn't answer.
    pub fn send(self) -> Answer {
        let (method, path) = (self.method.clone(), self.path.clone());
        self.try_send()
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends it.
    ///
    /// # Errors
    /// When the server doesn't answer, or closes before the end of its answer.
    pub fn try_send(self) -> Result<Answer, ureq::Error> {
        let mut request =
            Request::builder()
                .method(self.method.as_str())
                .uri(format!("{}{}", self.person.origin(), self.path));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(cookies) = self.person.cookie_header() {
            request = request.header("cookie", cookies);
        }
        let bare = self.body.is_empty() && !self.headers.iter().any(|(name, _)| name == "content-type");
        let response = if bare {
            self.person.agent.run(request.body(()).map_err(ureq::Error::Http)?)?
        } else {
            self.person
                .agent
                .run(request.body(self.body).map_err(ureq::Error::Http)?)?
        };
        self.person.take_cookies(response.headers());
        Answer::read(format!("{} {}", self.method, self.path), response)
    }
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    pub headers: HeaderMap,
    /// The body as it was sent: not decompressed.
    pub body: Vec<u8>,
    asked: String,
}

impl Answer {
    fn read(asked: String, mut response: Response<Body>) -> Result<Answer, ureq::Error> {
        let body = response
            .body_mut()
            .with_config()
            .limit(64 * 1024 * 1024)
            .read_to_vec()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body,
            asked,
        })
    }

    /// Demands this status.
    ///
    /// # Panics
    /// When it is another; shows what came.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let (asked, came, location) = (&self.asked, self.status, self.header("location"));
        assert_eq!(
            came,
            status,
            "{asked} was answered by {came} {location} instead of {status}:\n{}",
            shorten(&self.text())
        );
        self
    }

    /// Demands the answer to a form that was accepted: 303 to some page. Says which.
    #[track_caller]
    pub fn see_other(self) -> String {
        self.expect(303).header("location").to_owned()
    }

    /// A header; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!(
                "{} was not answered in JSON ({error}):\n{}",
                self.asked,
                shorten(&self.text())
            )
        })
    }

    /// What stands in the body between `before` and `after`, the first time.
    ///
    /// # Panics
    /// When it doesn't occur.
    #[track_caller]
    pub fn between(&self, before: &str, after: &str) -> String {
        let text = self.text();
        let found = text
            .split_once(before)
            .and_then(|(_, rest)| rest.split_once(after))
            .map(|(found, _)| found.to_owned());
        found.unwrap_or_else(|| panic!("{}: no {before:?}…{after:?} in\n{}", self.asked, shorten(&text)))
    }

    /// The value of the first field of that name in the body's forms, decoded.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let text = self.text();
        let tag = text
            .split('<')
            .find(|tag| tag.contains(&format!("name=\"{name}\"")) && tag.contains("value=\""));
        let value = tag.and_then(|tag| tag.split_once("value=\"")?.1.split('"').next().map(unescape));
        value.unwrap_or_else(|| panic!("{}: no field {name:?} with a value in\n{}", self.asked, shorten(&text)))
    }
}

/// A form's fields, in order.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// Puts a value in the place of the field's old one, or at the end.
    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        match self.0.iter_mut().find(|(its_name, _)| its_name == name) {
            Some((_, its_value)) => *its_value = value.into(),
            None => self.0.push((name.into(), value.into())),
        }
        self
    }

    /// Leaves a field out.
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(its_name, _)| its_name != name);
        self
    }

    /// As [`Person::post`] takes them.
    pub fn as_fields(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}

/// The parameters of a test's account: a salt that is the same in each run, so that its keys need deriving only once.
pub fn parameters(name: &str) -> Parameters {
    let mut salt = [0; crypto::SALT_BYTES];
    salt.copy_from_slice(&crypto::sha256(format!("salt of {name}").as_bytes())[..crypto::SALT_BYTES]);
    Parameters {
        salt: crypto::Bytes(salt),
        rounds: crypto::MIN_ROUNDS,
    }
}

/// The key that proves `password`, by the product's own derivation.
pub fn auth_key(name: &str, password: &str, parameters: &Parameters) -> String {
    derived(name, password, parameters).0
}

/// The key that wraps what belongs to an account with this password, by the product's own derivation.
pub fn wrap_key(name: &str, password: &str, parameters: &Parameters) -> [u8; 32] {
    b64::decode(&derived(name, password, parameters).1).expect("a wrap key is 32 bytes")
}

/// Auth key and wrap key as base64url. The 600,000 rounds behind them take half a minute in a debug build, so results are
/// kept in the target directory, under the hash of all that went into them.
fn derived(name: &str, password: &str, parameters: &Parameters) -> (String, String) {
    let question = format!(
        "both of\n{name}\n{password}\n{}\n{}",
        parameters.salt, parameters.rounds
    );
    let file = crate::build_folder()
        .join("../test-keys")
        .join(crate::server::sha256(question.as_bytes()));
    let both = |kept: String| {
        kept.split_once('\n')
            .map(|(auth, wrap)| (auth.to_owned(), wrap.to_owned()))
    };
    if let Some(kept) = fs::read_to_string(&file).ok().and_then(both) {
        return kept;
    }
    let keys = crypto::derive(name, password, parameters).expect("a test's password is allowed");
    let (auth, wrap) = (keys.auth.to_string(), b64::encode(keys.wrap));
    let folder = file.parent().expect("it lies in test-keys/");
    fs::create_dir_all(folder).expect("the target directory can be written");
    // Another test may do the same at this moment: what it reads must be whole.
    let new = tempfile::NamedTempFile::new_in(folder).expect("the target directory can be written");
    fs::write(&new, format!("{auth}\n{wrap}")).expect("the target directory can be written");
    new.persist(&file).expect("the target directory can be written");
    (auth, wrap)
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let mut encoded = String::new();
    let put = |text: &str, encoded: &mut String| {
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => encoded.push(byte.into()),
                b' ' => encoded.push('+'),
                _ => write!(encoded, "%{byte:02X}").expect("a String takes any text"),
            }
        }
    };
    for (name, value) in fields {
        if !encoded.is_empty() {
            encoded.push('&');
        }
        put(name, &mut encoded);
        encoded.push('=');
        put(value, &mut encoded);
    }
    encoded
}

/// Text without the character references that our templates write.
pub fn unescape(html: &str) -> String {
    let names = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
    ];
    let text = names
        .iter()
        .fold(html.to_owned(), |text, (name, character)| text.replace(name, character));
    text.replace("&amp;", "&")
}

fn shorten(text: &str) -> String {
    const MOST: usize = 4000;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into(),
    }
}
