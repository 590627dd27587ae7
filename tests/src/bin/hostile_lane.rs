//! What a plugin that broke out of its sandbox might do to the host: a program in a lane's place.
//! Its first argument names the attack.

use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;

use neospace_runner::frame;
use neospace_runner::protocol::{
    Answer, Ask, Done, Failure, FailureKind, Node, Outcome, Scope, ToHost, ToLane, Usage, View,
};

const MOST: usize = usize::MAX >> 1;

fn main() {
    let attack = std::env::args().nth(1).expect("an attack");
    // SAFETY: the host starts lanes with the socket as standard input.
    let mut host = Host(unsafe { UnixStream::from_raw_fd(0) });
    match attack.as_str() {
        "death-at-start" => return,
        "garbage-at-start" => {
            host.raw(&[0xff; 4096]);
            host.wait();
        }
        _ => host.say(&ToHost::Ready { layers: vec![] }),
    }
    loop {
        let frame = host.hear();
        match postcard::from_bytes(&frame).expect("the host speaks well") {
            ToLane::Load { component, .. } if attack == "lies-about-loading" => {
                host.say(&ToHost::Loaded {
                    component: component + 1,
                    error: None,
                });
            }
            ToLane::Load { component, .. } => host.say(&ToHost::Loaded { component, error: None }),
            ToLane::Call(_) => attack_in_a_call(&mut host, &attack),
            other => panic!("{other:?}"),
        }
    }
}

fn attack_in_a_call(host: &mut Host, attack: &str) {
    match attack {
        "garbage" => host.raw(&[8, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        "oversized-frame" => {
            host.raw(&u32::MAX.to_le_bytes());
            host.raw(&vec![3; 1 << 20]);
        }
        "two-frames" => {
            let mut frame = encoded(&shown("a"));
            frame.extend(encoded(&shown("b")));
            host.raw(&frame);
        }
        "trailing-bytes" => {
            let mut frame = encoded(&shown("a"));
            frame.push(0);
            frame::seal(&mut frame, MOST).expect("it is short");
            host.raw(&frame);
        }
        "invalid-utf8" => {
            let mut frame = encoded(&shown("hello"));
            let at = frame
                .windows(5)
                .position(|window| window == b"hello")
                .expect("it is in there");
            frame[at] = 0xff;
            host.raw(&frame);
        }
        // Done, view, and a list of 2^35 nodes of which none is there.
        "million-nodes-claimed" => {
            let mut frame = vec![0, 0, 0, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, 0x7f];
            frame::seal(&mut frame, MOST).expect("it is short");
            host.raw(&frame);
        }
        "result-of-another-export" => {
            host.say(&ToHost::Done(Done {
                result: Outcome::Acted(Ok(Some("done"))),
                usage: Usage::default(),
            }));
        }
        "boasts" => {
            let failure = Failure {
                kind: FailureKind::Trap,
                detail: "\u{1F4A5}".repeat(100_000),
            };
            let usage = Usage {
                fuel: u64::MAX,
                memory_bytes: u64::MAX,
                time_us: u64::MAX,
            };
            host.say(&ToHost::Done(Done {
                result: Outcome::Failed(failure),
                usage,
            }));
        }
        "loaded-in-a-call" => host.say(&ToHost::Loaded {
            component: 0,
            error: None,
        }),
        "ready-twice" => host.say(&ToHost::Ready { layers: vec![] }),
        "unending-questions" => loop {
            host.say(&ToHost::Ask(Ask::Pseudonym));
            // The host asks nobody for a pseudonym without end.
            host.hear();
        },
        "half-a-frame-and-silence" => host.raw(&[255, 0, 0, 0, 3]),
        "silence" => {}
        "drip" => {
            host.raw(&100_000u32.to_le_bytes());
            loop {
                host.raw(&[3]);
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        }
        "death" => std::process::exit(0),
        "ask-for-everything" => {
            let key = "k";
            let heard = host.ask_all([
                Ask::ViewerName,
                Ask::Get {
                    scope: Scope::Installation,
                    key,
                },
                Ask::Put {
                    scope: Scope::Shared,
                    key,
                    value: b"v",
                    expires: None,
                },
                Ask::Delete {
                    scope: Scope::Installation,
                    key,
                },
                Ask::Add {
                    scope: Scope::Shared,
                    key,
                    delta: 1,
                },
                Ask::Scan {
                    scope: Scope::Shared,
                    prefix: "",
                    after: None,
                    limit: 100,
                },
                Ask::Refresh,
                Ask::Notify { text: "hello" },
            ]);
            host.say(&shown(&heard));
            return;
        }
        "write-everything" => {
            let key = "k";
            let heard = host.ask_all([
                Ask::Put {
                    scope: Scope::Installation,
                    key,
                    value: b"v",
                    expires: None,
                },
                Ask::Delete {
                    scope: Scope::Installation,
                    key,
                },
                Ask::Add {
                    scope: Scope::Shared,
                    key,
                    delta: 1,
                },
                Ask::Refresh,
                Ask::Notify { text: "hello" },
            ]);
            host.say(&shown(&heard));
            return;
        }
        other => panic!("no attack {other}"),
    }
    host.wait();
}

fn shown(text: &str) -> ToHost<'_> {
    let view = View {
        nodes: vec![Node::Text(text)],
        roots: vec![0],
        max_age_seconds: None,
    };
    ToHost::Done(Done {
        result: Outcome::View(view),
        usage: Usage::default(),
    })
}

fn encoded(message: &ToHost<'_>) -> Vec<u8> {
    let mut frame = vec![];
    frame::encode(&mut frame, message, MOST).expect("it is short");
    frame
}

struct Host(UnixStream);

impl Host {
    fn say(&mut self, message: &ToHost<'_>) {
        self.raw(&encoded(message));
    }

    fn raw(&mut self, bytes: &[u8]) {
        // A host that has had enough kills this process anyway.
        let _ = self.0.write_all(bytes);
    }

    fn hear(&mut self) -> Vec<u8> {
        let mut header = [0; 4];
        if self.0.read_exact(&mut header).is_err() {
            std::process::exit(0);
        }
        let mut body = vec![0; u32::from_le_bytes(header) as usize];
        if self.0.read_exact(&mut body).is_err() {
            std::process::exit(0);
        }
        body
    }

    fn ask_all<const N: usize>(&mut self, asks: [Ask<'_>; N]) -> String {
        let mut heard = vec![];
        for ask in asks {
            self.say(&ToHost::Ask(ask));
            let frame = self.hear();
            match postcard::from_bytes(&frame).expect("the host speaks well") {
                ToLane::Answer(Answer::Refused(refused)) => heard.push(format!("{refused:?}")),
                other => heard.push(format!("{other:?}")),
            }
        }
        heard.join(" ")
    }

    /// Until the host kills this process.
    fn wait(&mut self) -> ! {
        loop {
            self.hear();
        }
    }
}
