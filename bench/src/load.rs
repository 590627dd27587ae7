//! The load: one thread, many keep-alive connections, one request open on each, every answer handed to a check.
//!
//! Bare enough that the server is what is measured: a write, a read and a share of an `epoll_wait` for each request,
//! nothing allocated.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{Timespec, epoll};

/// Room for one answer, head and body.
const ANSWER_MOST: usize = 512 * 1024;

/// An answer, in the connection's buffer.
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// The first header of this name; empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        header(self.head, name).unwrap_or_default()
    }
}

/// What a load asks for, and what it makes of the answers.
pub trait Traffic {
    /// The next request, with a word of the caller's own that comes back with its answer.
    fn next(&mut self) -> (&[u8], u64);
    /// Looks at an answer.
    ///
    /// # Errors
    /// Whatever is wrong with it: the measurement ends.
    fn check(&mut self, word: u64, answer: &Answer) -> Result<()>;
}

/// How much was answered.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    pub requests: u64,
    pub lasted: Duration,
    /// How much of its core the load used, from 0 to 1.
    pub busy: f64,
}

impl Rate {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.lasted.as_secs_f64()
    }
}

/// Connections that are kept from one round to the next.
pub struct Load {
    epoll: rustix::fd::OwnedFd,
    connections: Vec<Connection>,
}

struct Connection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    filled: usize,
    word: u64,
    open: bool,
}

impl Load {
    pub fn connect(address: SocketAddr, connections: usize) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let connections = (0..connections)
            .map(|n| {
                let stream = TcpStream::connect(address)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                epoll::add(
                    &epoll,
                    &stream,
                    epoll::EventData::new_u64(n as u64),
                    epoll::EventFlags::IN,
                )?;
                let buffer = vec![0; ANSWER_MOST].into_boxed_slice();
                Ok(Connection {
                    stream,
                    buffer,
                    filled: 0,
                    word: 0,
                    open: false,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { epoll, connections })
    }

    /// Keeps every connection busy for this long, then lets the open requests finish.
    pub fn run(&mut self, duration: Duration, traffic: &mut impl Traffic) -> Result<Rate> {
        let (start, cpu) = (Instant::now(), crate::machine::thread_cpu());
        let (mut requests, mut open) = (0, 0);
        let mut events = Vec::with_capacity(self.connections.len());
        for connection in &mut self.connections {
            connection.ask(traffic)?;
            open += 1;
        }
        let mut running = true;
        while open > 0 {
            events.clear();
            let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&patience),
            )?;
            ensure!(!events.is_empty(), "no answer came within 10 seconds");
            running &= start.elapsed() < duration;
            for event in &events {
                let connection = &mut self.connections[event.data.u64() as usize];
                if !connection.receive(traffic)? {
                    continue;
                }
                requests += 1;
                if running {
                    connection.ask(traffic)?;
                } else {
                    open -= 1;
                }
            }
        }
        let lasted = start.elapsed();
        let busy = (crate::machine::thread_cpu() - cpu).as_secs_f64() / lasted.as_secs_f64();
        Ok(Rate { requests, lasted, busy })
    }
}

impl Connection {
    fn ask(&mut self, traffic: &mut impl Traffic) -> Result<()> {
        let (request, word) = traffic.next();
        self.word = word;
        self.open = true;
        // A request fits into an empty socket buffer many times over.
        (&self.stream).write_all(request).context("a request was not taken")
    }

    /// Reads what is there; whether the answer is whole now.
    fn receive(&mut self, traffic: &mut impl Traffic) -> Result<bool> {
        match self.stream.read(&mut self.buffer[self.filled..]) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(bytes) => self.filled += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("a connection broke"),
        }
        ensure!(self.open, "the server spoke without being asked");
        let received = &self.buffer[..self.filled];
        let Some((answer, length)) = parse(received)? else {
            return Ok(false);
        };
        ensure!(length == self.filled, "an answer is longer than its head says");
        traffic.check(self.word, &answer)?;
        self.filled = 0;
        self.open = false;
        Ok(true)
    }
}

/// The answer at the beginning of `received` and its length, once it is whole.
pub fn parse(received: &[u8]) -> Result<Option<(Answer<'_>, usize)>> {
    let Some(end) = memchr::memmem::find(received, b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = received.split_at(end + 4);
    let status = head
        .get(9..12)
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let status = status.context("an answer has no status")?;
    let length = match header(head, "content-length") {
        Some(length) => length.trim().parse::<usize>()?,
        None if status == 304 || status == 204 => 0,
        None => bail!("an answer says no length:\n{}", String::from_utf8_lossy(head)),
    };
    ensure!(
        end + 4 + length <= ANSWER_MOST,
        "an answer of {length} bytes is more than the load has room for"
    );
    let whole = rest.get(..length);
    Ok(whole.map(|body| (Answer { status, head, body }, end + 4 + length)))
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let lines = memchr::memchr_iter(b'\n', head).map(|at| &head[at + 1..]);
    let mut found = lines.filter_map(|line| {
        let (key, value) = (line.get(..name.len())?, line.get(name.len()..)?.strip_prefix(b":")?);
        key.eq_ignore_ascii_case(name.as_bytes()).then_some(value)
    });
    let value = found.next()?;
    let end = memchr::memchr(b'\r', value).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok().map(str::trim)
}

/// What a page is asked for with.
pub fn get(address: SocketAddr, path: &str, cookie: Option<&str>, encoding: &str) -> Vec<u8> {
    let cookie = cookie.map(|cookie| format!("cookie: {cookie}\r\n")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: text/html\r\naccept-encoding: {encoding}\r\n{cookie}\r\n"
    )
    .into_bytes()
}
