//! Many WebSockets on one thread, as bare as the load of pages: a share of an `epoll_wait` and of a read for each
//! frame, and nothing allocated for it.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    event::{Timespec, epoll},
    net::sockopt,
};

use crate::site::{Member, address};

/// What one read takes at most, in bytes.
const READ_MOST: usize = 256 * 1024;
/// Receive buffer of a socket that never reads, in bytes: the system must not be what swallows its frames.
const DEAF_BUFFER: usize = 4 * 1024;
/// How long a handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

/// Sockets that are open together.
pub struct Swarm {
    epoll: rustix::fd::OwnedFd,
    sockets: Vec<Socket>,
    /// Shared by all: what is whole in it is handed on at once.
    buffer: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    /// The beginning of a frame whose end has not come yet.
    rest: Vec<u8>,
    /// What the system has not taken yet.
    unsent: Vec<u8>,
    deaf: bool,
    closed: bool,
}

impl Swarm {
    pub fn new() -> Result<Self> {
        // One descriptor a socket, and some to spare.
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            ..limit
        };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, raised)?;
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            sockets: Vec::new(),
            buffer: Vec::with_capacity(READ_MOST),
        })
    }

    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// How many of the sockets the server has closed.
    pub fn closed(&self) -> usize {
        self.sockets.iter().filter(|socket| socket.closed).count()
    }

    /// Opens one more, as this member; a deaf one never reads.
    pub fn open(&mut self, server: SocketAddr, member: Option<&Member>, dialect: &str, deaf: bool) -> Result<usize> {
        let n = self.sockets.len();
        let stream = TcpStream::connect(server)?;
        if deaf {
            sockopt::set_socket_recv_buffer_size(&stream, DEAF_BUFFER)?;
        }
        let cookie = member
            .map(|member| format!("cookie: {}\r\n", member.cookie))
            .unwrap_or_default();
        let request = format!(
            "GET /live HTTP/1.1\r\nhost: {server}\r\norigin: http://{server}\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: {dialect}\r\nx-forwarded-for: {}\r\n{cookie}\r\n",
            address(n)
        );
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        (&stream).write_all(request.as_bytes())?;
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            (&stream).read_exact(&mut byte).context("a handshake broke off")?;
            head.push(byte[0]);
        }
        ensure!(
            head.starts_with(b"HTTP/1.1 101"),
            "/live answered {}",
            String::from_utf8_lossy(&head)
        );
        stream.set_nonblocking(true)?;
        let flags = if deaf {
            epoll::EventFlags::RDHUP
        } else {
            epoll::EventFlags::IN | epoll::EventFlags::RDHUP
        };
        epoll::add(&self.epoll, &stream, epoll::EventData::new_u64(n as u64), flags)?;
        self.sockets.push(Socket {
            stream,
            rest: Vec::new(),
            unsent: Vec::new(),
            deaf,
            closed: false,
        });
        Ok(n)
    }

    /// Sends a text frame.
    pub fn send(&mut self, n: usize, text: &str) -> Result<()> {
        self.sockets[n].say(TEXT, text.as_bytes())
    }

    /// Waits at most this long for something to come, and hands on each text frame with the number of its socket.
    pub fn listen(&mut self, patience: Duration, mut hear: impl FnMut(usize, &[u8])) -> Result<()> {
        for socket in self.sockets.iter_mut().filter(|socket| !socket.unsent.is_empty()) {
            socket.flush()?;
        }
        let mut events = Vec::with_capacity(256);
        let patience = Timespec {
            tv_sec: patience.as_secs() as i64,
            tv_nsec: patience.subsec_nanos().into(),
        };
        epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&patience),
        )?;
        for event in &events {
            let n = event.data.u64() as usize;
            let flags = event.flags;
            let hung_up = flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            let socket = &mut self.sockets[n];
            if socket.deaf && hung_up {
                epoll::delete(&self.epoll, &socket.stream)?;
                socket.closed = true;
            } else if !socket.deaf {
                socket.receive(n, &mut self.buffer, &mut hear)?;
                if socket.closed {
                    epoll::delete(&self.epoll, &socket.stream)?;
                }
            }
        }
        Ok(())
    }

    /// Listens until `done` says so of what it heard.
    pub fn listen_until(
        &mut self,
        what: &str,
        patience: Duration,
        mut done: impl FnMut(usize, &[u8]) -> bool,
    ) -> Result<()> {
        let (start, mut finished, mut last) = (std::time::Instant::now(), false, String::new());
        while !finished {
            ensure!(
                start.elapsed() < patience,
                "waited {patience:?} in vain for {what}; the last that came was {last}"
            );
            self.listen(Duration::from_millis(200), |n, frame| {
                finished |= done(n, frame);
                last = String::from_utf8_lossy(&frame[..frame.len().min(300)]).into_owned();
            })?;
        }
        Ok(())
    }
}

impl Socket {
    fn say(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        self.unsent.push(0x80 | opcode);
        // A client's frames are masked; the mask of zeros changes nothing.
        match payload.len() {
            short @ 0..126 => self.unsent.push(0x80 | short as u8),
            long => {
                self.unsent.push(0x80 | 126);
                self.unsent.extend_from_slice(&u16::try_from(long)?.to_be_bytes());
            }
        }
        self.unsent.extend_from_slice(&[0; 4]);
        self.unsent.extend_from_slice(payload);
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        match self.stream.write(&self.unsent) {
            Ok(bytes) => drop(self.unsent.drain(..bytes)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) if self.deaf => self.unsent.clear(),
            Err(error) => return Err(error).context("a frame was not taken"),
        }
        Ok(())
    }

    fn receive(&mut self, n: usize, buffer: &mut Vec<u8>, hear: &mut impl FnMut(usize, &[u8])) -> Result<()> {
        let kept = self.rest.len();
        if buffer.len() < kept + READ_MOST {
            buffer.resize(kept + READ_MOST, 0);
        }
        buffer[..kept].copy_from_slice(&self.rest);
        self.rest.clear();
        let bytes = match self.stream.read(&mut buffer[kept..]) {
            Ok(0) => bail!("the server closed socket {n}"),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error).with_context(|| format!("socket {n} broke")),
        };
        let received = &buffer[..kept + bytes];
        let mut at = 0;
        while let Some((opcode, payload)) = frame(&received[at..]) {
            let whole = &received[at..at + payload.end];
            at += payload.end;
            match opcode {
                TEXT => hear(n, &whole[payload]),
                PING => self.say(10, &whole[payload])?,
                CLOSE => {
                    let reason = whole.get(payload.start + 2..).unwrap_or_default();
                    bail!("the server ended socket {n}: {}", String::from_utf8_lossy(reason));
                }
                _ => {}
            }
        }
        self.rest.extend_from_slice(&received[at..]);
        Ok(())
    }
}

/// The opcode of the frame at the beginning, and where its payload lies; nothing while it is not whole.
fn frame(bytes: &[u8]) -> Option<(u8, std::ops::Range<usize>)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (start, length) = match second & 0x7f {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, short.into()),
    };
    (bytes.len() >= start + length).then_some((first & 0x0f, start..start + length))
}
