//! `neospace dm`, the real program against a real server: people who talk without a browser, and what the program says when
//! something isn't as it should be.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use neospace_tests::{Person, Server, person::PASSWORD, server::neospace};
use tempfile::TempDir;

/// Somebody at a terminal of their own.
struct Terminal {
    person: Person,
    state: TempDir,
}

/// What a command said, and how it ended.
#[derive(Debug)]
struct Ended {
    status: i32,
    said: String,
    complained: String,
}

impl Ended {
    /// Demands this exit status; answers what was said.
    #[track_caller]
    fn with(self, status: i32) -> String {
        assert_eq!(self.status, status, "{self:#?}");
        self.said
    }

    /// Demands that it went well, and nothing was complained of.
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.complained, "", "{self:#?}");
        self.with(0)
    }

    /// Demands a refusal with this in it.
    #[track_caller]
    fn refused(self, sentence: &str) {
        assert!(self.complained.contains(sentence), "{sentence:?} is not in {self:#?}");
        assert_eq!(self.status, 1, "{self:#?}");
    }

    /// Demands this alarm, by its word and the exit status.
    #[track_caller]
    fn alarmed(self, alarm: &str) -> String {
        assert!(self.complained.contains(&format!("alarm {alarm}")), "{self:#?}");
        self.with(3)
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Ended {
        Ended {
            status: output.status.code().unwrap_or(-1),
            said: String::from_utf8(output.stdout).expect("it says text"),
            complained: String::from_utf8(output.stderr).expect("it says text"),
        }
    }
}

impl Terminal {
    /// Somebody with an account who has not logged in here.
    fn new(server: &Server, name: &str) -> Terminal {
        Terminal::of(server.person(name))
    }

    fn of(person: Person) -> Terminal {
        Terminal {
            person,
            state: TempDir::new().expect("a temporary folder"),
        }
    }

    /// Somebody who has logged in here.
    fn logged_in(server: &Server, name: &str) -> Terminal {
        let terminal = Terminal::new(server, name);
        terminal.log_in();
        terminal
    }

    fn log_in(&self) {
        let said = self.log_in_with(PASSWORD).well();
        assert!(said.contains(&format!("Logged in as {}.", self.person.name)), "{said}");
    }

    fn log_in_with(&self, password: &str) -> Ended {
        let (origin, name) = (self.person.origin(), self.person.name.clone());
        self.type_in(&["log-in", &origin, &name, "--password-file", "-"], password)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(neospace());
        command
            .arg("dm")
            .args(arguments)
            .env_remove("SSL_CERT_FILE")
            .env("XDG_STATE_HOME", self.state.path())
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.type_in(arguments, "")
    }

    fn type_in(&self, arguments: &[&str], typed: &str) -> Ended {
        let mut program = self.command(arguments).spawn().expect("the program can be started");
        // It may end without reading.
        let _ = program.stdin.take().expect("it was piped").write_all(typed.as_bytes());
        program.wait_with_output().expect("it ends").into()
    }

    /// A conversation without its times.
    fn read(&self, peer: &str) -> Vec<String> {
        without_times(&self.run(&["read", "--all", peer]).well())
    }

    fn folder(&self) -> PathBuf {
        self.state.path().join("neospace/dm")
    }
}

fn without_times(said: &str) -> Vec<String> {
    let lines = said
        .lines()
        .map(|line| line.split_once("  ").map_or(line, |(_, rest)| rest));
    lines.map(str::to_owned).collect()
}

#[test]
fn ana_and_bob_talk_at_their_terminals() {
    let server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    assert!(ana.run(&["list"]).well().contains("Nobody has written yet."));
    assert_eq!(ana.run(&["send", "bob", "Hello, Bob"]).well(), "m1 is stored.\n");
    assert!(bob.run(&["list"]).well().contains("ana"));
    assert!(bob.run(&["list"]).well().contains("asks to write to you, unread"));
    let said = bob.run(&["read", "ana"]).well();
    assert!(said.contains("  t1  ana: Hello, Bob\n"), "{said}");
    assert!(
        said.contains("ana asks to write to you: neospace dm accept ana"),
        "{said}"
    );
    assert_eq!(bob.run(&["accept", "ana"]).well(), "ana may write to you.\n");
    assert!(!bob.run(&["list"]).well().contains("unread"));
    // A text of several lines comes on standard input, and can't begin a line as if it were a message.
    bob.type_in(
        &["send", "ana", "--reply", "t1"],
        "first line\n2026-01-01 00:00  t9  ana: forged\n",
    )
    .well();
    ana.run(&["edit", "bob", "m1", "Hello, Bob!"]).well();
    let said = bob.run(&["read", "ana"]).well();
    assert!(said.contains("\n    | 2026-01-01 00:00  t9  ana: forged\n"), "{said}");
    let seen = bob.read("ana");
    assert_eq!(
        seen[..2],
        ["t1  ana: Hello, Bob! (edited)", "m1  you: [answers t1] first line"]
    );
    assert_eq!(ana.read("bob")[0], "m1  you: Hello, Bob! (edited)");
    // For oneself, and for both.
    ana.run(&["delete", "bob", "t1", "--for-me"]).well();
    assert_eq!(
        ana.read("bob"),
        ["m1  you: Hello, Bob! (edited)", "t1  bob: [hidden by you]"]
    );
    ana.run(&["delete", "bob", "m1"]).well();
    assert_eq!(bob.read("ana")[0], "t1  ana: [removed]");
    // Who reads along only until `head` has enough.
    let mut program = bob
        .command(&["read", "ana"])
        .spawn()
        .expect("the program can be started");
    drop(program.stdout.take());
    let ended: Ended = program.wait_with_output().expect("it ends").into();
    ended.well();
    bob.run(&["mute", "ana"]).well();
    assert!(bob.run(&["list"]).well().contains("muted"));
    bob.run(&["block", "ana"]).well();
    assert_eq!(ana.run(&["send", "bob", "are you there?"]).status, 1);
    bob.run(&["unblock", "ana"]).well();
    ana.run(&["send", "bob", "are you there?"]).well();
}

#[test]
fn files_are_sent_and_saved_and_nothing_is_overwritten() {
    let server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    ana.run(&["send", "bob", "hello"]).well();
    bob.run(&["send", "ana", "hello"]).well();
    let desk = TempDir::new().expect("a temporary folder");
    let file = desk.path().join(".profile");
    fs::write(&file, "alias rm=true\n").expect("the folder can be written");
    let path = file.to_str().expect("it is text");
    let sent = ana.type_in(&["send", "bob", "--file", path], "");
    assert_eq!(sent.well(), "m2 is stored.\n");
    assert_eq!(
        bob.read("ana").last().map(String::as_str),
        Some("t2  ana: [file: .profile, 14 bytes]")
    );
    let to = TempDir::new().expect("a temporary folder");
    let to_path = to.path().to_str().expect("it is text");
    bob.run(&["save", "ana", "t2", "--to", to_path]).well();
    // What ana called it is not what it is called here: it would mean something.
    let saved = to.path().join("_.profile");
    assert_eq!(fs::read_to_string(&saved).expect("it is there"), "alias rm=true\n");
    bob.run(&["save", "ana", "t2", "--to", to_path])
        .refused("is there already");
    bob.run(&["save", "ana", "t1", "--to", to_path])
        .refused("t1 has no files.");
    ana.run(&["send", "bob", "x", "--file", "/no/such/file"])
        .refused("/no/such/file");
}

#[test]
fn what_is_kept_is_for_its_owner_alone_and_gone_after_log_out() {
    let server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    ana.run(&["send", "bob", "a word to remember"]).well();
    let account = ana.folder().join(format!("ana@{}", ana.person.address));
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&account), 0o700);
    for entry in fs::read_dir(&account).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        let bytes = fs::read(&path).expect("it can be read");
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains("a word to remember") && !text.contains(PASSWORD),
            "{}",
            path.display()
        );
    }
    ana.run(&["log-out"]).well();
    assert!(!account.exists());
    ana.run(&["read", "bob"])
        .refused("You are not logged in. Log in first: neospace dm log-in");
    // The history comes back with the password.
    ana.log_in();
    assert_eq!(ana.read("bob"), ["m1  you: a word to remember"]);
    // A session that was ended elsewhere says so.
    bob.person.post("/settings/sessions/revoke", &[]).see_other();
    bob.run(&["list"])
        .refused("Your session has ended. Log in again: neospace dm log-in http://");
}

#[test]
fn what_cannot_be_is_refused_in_a_sentence() {
    let server = Server::builder().start();
    let ana = Terminal::new(&server, "ana");
    ana.run(&["list"]).refused("You are not logged in.");
    assert_eq!(ana.log_in_with("not the password").status, 1);
    assert!(
        !ana.folder()
            .join(format!("ana@{}", ana.person.address))
            .join("device.json")
            .exists()
    );
    ana.type_in(
        &["log-in", "http://example.org", "ana", "--password-file", "-"],
        PASSWORD,
    )
    .with(2);
    ana.type_in(
        &["log-in", "http://127.0.0.1:1", "ana", "--password-file", "-"],
        PASSWORD,
    )
    .refused("The server could not be reached");
    ana.log_in();
    let _cyd = server.person("cyd");
    ana.run(&["send", "cyd", "hello"]).refused("cyd has no keys yet");
    assert_eq!(ana.run(&["send", "nobody", "hello"]).status, 1);
    assert_eq!(ana.run(&["send", "ana", "hello"]).status, 1);
    ana.run(&["send", "cyd", ""]).refused("There is nothing to send");
    ana.run(&["send", "cyd", &"x".repeat(4001)])
        .refused("at most 4000 fit in one message");
    ana.run(&["send", "cyd", "a\u{7}b"]).refused("control character");
    ana.run(&["edit", "cyd", "t1", "x"]).refused("There is no message t1.");
    ana.run(&["edit", "cyd", "seven", "x"]).with(2);
    ana.run(&["--account", "bob", "list"])
        .refused("bob is not logged in here. Logged in: ana@127.0.0.1");
    // Each command says what it is for.
    let help = ana.run(&["--help"]).well();
    for command in help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
    {
        if command.is_empty() || command.starts_with('-') || command == "help" {
            continue;
        }
        let said = ana.run(&[command, "--help"]).well();
        assert!(said.contains("Usage: neospace dm "), "{command}: {said}");
    }
}

#[test]
fn a_changed_key_is_an_alarm_until_it_is_accepted() {
    let server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    ana.run(&["send", "bob", "hello"]).well();
    bob.run(&["send", "ana", "hello"]).well();
    let number = ana.run(&["safety", "bob"]).well();
    assert!(
        number.starts_with("    ") && number.contains("Compare it with what bob sees"),
        "{number}"
    );
    let digits = |said: &str| said.lines().take(3).map(str::to_owned).collect::<Vec<_>>();
    let bobs = bob.run(&["safety", "ana", "--compared"]).well();
    assert_eq!(digits(&bobs), digits(&number));
    assert!(bobs.contains("You have compared it."));
    assert!(bob.run(&["list"]).well().contains("compared"));

    ana.type_in(&["keys", "--new", "--password-file", "-"], "not the password")
        .refused("password");
    let said = ana.type_in(&["keys", "--new", "--password-file", "-"], PASSWORD).well();
    assert!(said.contains("You have new keys, number 2."), "{said}");
    ana.run(&["send", "bob", "by the new keys"]).well();
    let said = bob.run(&["read", "ana"]).alarmed("key_changed");
    assert!(
        said.contains("t1  ana: hello") && !said.contains("by the new keys"),
        "{said}"
    );
    let sent = bob.run(&["send", "ana", "never sent"]);
    assert!(sent.complained.contains("Nothing was sent."), "{sent:#?}");
    sent.alarmed("key_changed");
    let said = bob.run(&["accept-key", "ana"]).well();
    assert!(said.contains("number 2 are trusted from now on"), "{said}");
    assert_eq!(
        bob.read("ana").last().map(String::as_str),
        Some("t2  ana: by the new keys")
    );
    bob.run(&["send", "ana", "now it is"]).well();
    assert!(ana.run(&["keys"]).well().contains("number 2"));
}

#[test]
fn the_recovery_code_is_the_way_back() {
    let server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    ana.run(&["send", "bob", "before"]).well();
    bob.run(&["read", "ana"]).well();
    bob.run(&["accept", "ana"]).well();
    let made = ana.type_in(&["recovery-code", "--unchecked", "--password-file", "-"], PASSWORD);
    assert_eq!(made.status, 0, "{made:#?}");
    let code = made.said.trim().to_owned();
    assert_eq!(code.len(), 34);
    assert!(ana.run(&["keys"]).well().contains("Recovery code: there is one"));

    let device = Terminal::of(ana.person.elsewhere());
    let recover = |typed: &str| device.type_in(&["recover", &device.person.origin(), "ana", "--from", "-"], typed);
    recover("0000-0000\na new silly sentence").refused("a recovery code has 28");
    recover(&format!("{code}\nshort")).refused("at least 10");
    recover("0000-0000-0000-0000-0000-0000-03FA\na new silly sentence").refused("don't go together");
    let said = recover(&format!("{}\na new silly sentence\n", code.to_lowercase())).well();
    assert!(said.contains("You are back, ana"), "{said}");
    assert_eq!(device.read("bob"), ["m1  you: before"]);
    device.run(&["send", "bob", "after"]).well();
    assert_eq!(bob.read("ana"), ["t1  ana: before", "t2  ana: after"]);
    ana.run(&["list"]).refused("Your session has ended.");
    assert_eq!(ana.log_in_with(PASSWORD).status, 1);
}

/// A `watch` that runs.
struct Watch {
    program: Child,
    said: BufReader<std::process::ChildStdout>,
    complained: BufReader<std::process::ChildStderr>,
}

impl Watch {
    fn start(terminal: &Terminal, arguments: &[&str]) -> Watch {
        let mut program = terminal.command(arguments).spawn().expect("the program can be started");
        let said = BufReader::new(program.stdout.take().expect("it was piped"));
        let complained = BufReader::new(program.stderr.take().expect("it was piped"));
        let mut watch = Watch {
            program,
            said,
            complained,
        };
        let mut line = String::new();
        while !line.contains("watching") {
            line.clear();
            assert!(
                watch.complained.read_line(&mut line).expect("it can be read") > 0,
                "watch ended"
            );
        }
        watch
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it can be read");
        without_times(line.trim_end()).concat()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn what_comes_in_is_printed_as_it_comes() {
    let mut server = Server::builder().start();
    let (ana, bob) = (Terminal::logged_in(&server, "ana"), Terminal::logged_in(&server, "bob"));
    ana.run(&["send", "bob", "old news"]).well();
    let mut watch = Watch::start(&bob, &["watch", "--count", "3"]);
    ana.run(&["send", "bob", "one"]).well();
    assert_eq!(watch.line(), "t2  ana: one");
    // Other commands of the same account work meanwhile, and what they say is seen.
    bob.run(&["send", "ana", "two"]).well();
    let line = watch.line();
    assert!(line.ends_with("m1  you: two"), "{line}");
    ana.run(&["edit", "bob", "m2", "one and a half"]).well();
    assert_eq!(watch.line(), "t2  ana: one and a half (edited)");
    server.restart();
    ana.run(&["send", "bob", "three"]).well();
    assert_eq!(watch.line(), "t4  ana: three");
    assert!(watch.program.wait().expect("it ends").success());
}
