//! A browser of sorts: one keep-alive connection that asks, and waits for the answer.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use crate::load;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer of its own.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of this name; empty when there is none.
    pub fn header(&self, name: &str) -> String {
        let answer = load::Answer {
            status: self.status,
            head: self.head.as_bytes(),
            body: &[],
        };
        answer.header(name).to_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Demands this status.
    pub fn expect(self, status: u16) -> Result<Self> {
        ensure!(
            self.status == status,
            "{} instead of {status}:\n{}\n{}",
            self.status,
            self.head,
            self.text()
        );
        Ok(self)
    }
}

/// A connection, with what its requests carry.
pub struct Client {
    address: SocketAddr,
    stream: TcpStream,
    buffer: Vec<u8>,
    /// The session, as `name=value`.
    pub cookie: Option<String>,
    /// The address that the proxy in front would name.
    pub forwarded_for: Option<String>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("{address} can't be reached"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            address,
            stream,
            buffer: Vec::new(),
            cookie: None,
            forwarded_for: None,
        })
    }

    /// Asks for a page, uncompressed.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, "accept: text/html\r\n", b"")
    }

    /// Sends a form, as a browser without script does.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer> {
        let form = encode(fields);
        let head = format!(
            "accept: text/html\r\norigin: http://{}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n",
            self.address,
            form.len()
        );
        self.request("POST", path, &head, form.as_bytes())
    }

    /// Asks for data, as a program does.
    pub fn get_json(&mut self, path: &str) -> Result<Answer> {
        self.request("GET", path, "accept: application/json\r\n", b"")
    }

    /// Sends a JSON object, as our script does.
    pub fn post_json(&mut self, path: &str, body: &str) -> Result<Answer> {
        let head = format!(
            "accept: application/json\r\norigin: http://{}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        self.request("POST", path, &head, body.as_bytes())
    }

    /// Sends a file, as a program does.
    pub fn post_bytes(&mut self, path: &str, body: &[u8]) -> Result<Answer> {
        let head = format!(
            "accept: application/json\r\norigin: http://{}\r\ncontent-type: application/octet-stream\r\n\
             content-length: {}\r\n",
            self.address,
            body.len()
        );
        self.request("POST", path, &head, body)
    }

    fn request(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> Result<Answer> {
        let line = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name}: {value}\r\n"));
        let own = [
            line("cookie", &self.cookie),
            line("x-forwarded-for", &self.forwarded_for),
        ];
        let own: String = own.into_iter().flatten().collect();
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n{head}{own}\r\n", self.address).into_bytes();
        request.extend_from_slice(body);
        self.exchange(&request).with_context(|| format!("{method} {path}"))
    }

    /// Sends a request as it is, and waits for its answer.
    pub fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut piece = [0; 64 * 1024];
        loop {
            let bytes = self.stream.read(&mut piece)?;
            if bytes == 0 {
                bail!("the server closed the connection");
            }
            self.buffer.extend_from_slice(&piece[..bytes]);
            if let Some((answer, _)) = load::parse(&self.buffer)? {
                return Ok(Answer {
                    status: answer.status,
                    head: String::from_utf8_lossy(answer.head).into_owned(),
                    body: answer.body.to_vec(),
                });
            }
        }
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn encode(fields: &[(&str, &str)]) -> String {
    let mut encoded = String::new();
    let mut put = |text: &str, before: &str| {
        encoded.push_str(before);
        for byte in text.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(byte.into()),
                _ => encoded.push_str(&format!("%{byte:02X}")),
            }
        }
    };
    for (n, (name, value)) in fields.iter().enumerate() {
        put(name, if n == 0 { "" } else { "&" });
        put(value, "=");
    }
    encoded
}
