//! `neospace dm …`: direct messages on the command line. What a member types goes in, what was said comes out, one line a
//! message; every alarm is said on standard error, and makes the exit status 3.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use clap::{Args, Subcommand};
use neospace_dm::{
    Name,
    keys::RecoveryCode,
    message::{Body, FileRef, Reply, Whose},
    thread::{Item, Notice, Says, View},
};
use zeroize::Zeroizing;

use crate::{
    dm_client::{
        Conversation, Device, Trouble, account,
        folder::{Folder, Locked, Session},
        now, printable,
        wire::{Address, Cookies, Wire},
    },
    words,
};

/// The status of a command that worked, but had to say an alarm.
const ALARMED: u8 = 3;
/// Times that differ by more than this are both shown, in milliseconds.
const TIMES_DIFFER: u64 = 600_000;
/// How long `watch` waits before it tries to come back.
const AGAIN: Duration = Duration::from_secs(2);

/// Direct messages, sealed on this machine: the server passes on what it cannot read.
#[derive(Args)]
pub struct Dm {
    /// Which account, where several are logged in here: NAME, or NAME@HOST
    #[arg(long, global = true, value_name = "ACCOUNT")]
    account: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Log in; makes the account's keys where it has none yet
    ///
    /// The password is asked for, and never leaves this machine. Keys and session are kept in $XDG_STATE_HOME/neospace/dm (or
    /// ~/.local/state/neospace/dm), for your user alone, until you log out.
    LogIn {
        /// The server: https://example.org
        server: Address,
        /// Your name there
        name: Name,
        /// Read the password from this file's first line instead of asking; - is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Log out, and forget keys and session on this machine
    LogOut,
    /// The conversations, newest first
    List,
    /// Show a conversation: its newest messages, or all of them
    ///
    /// Each message has a number: m7 is the seventh of mine, t3 the third of theirs. `edit`, `delete`, `save`, `report` and
    /// `--reply` take those numbers.
    Read {
        name: Name,
        /// Everything, from the first message on
        #[arg(long)]
        all: bool,
        /// Leave the conversation marked as unread
        #[arg(long)]
        keep_unread: bool,
    },
    /// Say something; without a text, what comes on standard input
    Send {
        name: Name,
        /// What to say: at most 4,000 characters
        text: Option<String>,
        /// A file to send along, sealed; may be repeated up to eight times
        #[arg(long = "file", value_name = "FILE")]
        files: Vec<PathBuf>,
        /// The number of the message that this answers, such as t3
        #[arg(long, value_name = "NUMBER")]
        reply: Option<Number>,
    },
    /// Let a message of yours say something else; the earlier text stays as its history
    Edit {
        name: Name,
        /// The message's number, such as m7
        number: Number,
        /// What it says from now on
        text: String,
    },
    /// Remove a message of yours for both, or any message for yourself alone
    Delete {
        name: Name,
        /// The message's number, such as m7
        number: Number,
        /// Hide it from yourself, on all your devices; the other keeps it
        #[arg(long)]
        for_me: bool,
    },
    /// Print what comes in as it comes, until Ctrl-C
    Watch {
        /// With whom; everybody, if left out
        name: Option<Name>,
        /// End after so many messages
        #[arg(long, value_name = "MESSAGES")]
        count: Option<u64>,
    },
    /// Save the files of a message
    Save {
        name: Name,
        /// The message's number, such as t3
        number: Number,
        /// The folder to put them into; a file that is there is never overwritten
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        to: PathBuf,
    },
    /// The safety number with somebody, to compare with what they see
    Safety {
        name: Name,
        /// Note that you two have compared it, and it is the same
        #[arg(long)]
        compared: bool,
        /// Take that back
        #[arg(long, conflicts_with = "compared")]
        not_compared: bool,
    },
    /// Trust the new keys of somebody whose keys have changed
    ///
    /// Ask them whether they made new keys, or compare the safety number, before you do this.
    AcceptKey { name: Name },
    /// Accept a request: they may write to you
    Accept { name: Name },
    /// Decline a request; they are not told
    Decline { name: Name },
    /// Block somebody: neither can write to the other
    Block { name: Name },
    /// Take a block back
    Unblock { name: Name },
    /// Keep a conversation, and drop its marks
    Mute { name: Name },
    /// Take a mute back
    Unmute { name: Name },
    /// Reveal one of their messages to the operator, with proof that they sent it
    Report {
        name: Name,
        /// The message's number, such as t3
        number: Number,
        /// Why
        reason: String,
    },
    /// Your keys and the key log, as this device knows them
    Keys {
        /// Make new keys, for when a device was stolen. Everybody you talk to is asked to accept them, and the recovery code
        /// has to be made anew
        #[arg(long)]
        new: bool,
        /// Read the password from this file's first line instead of asking; - is standard input
        #[arg(long, value_name = "FILE", requires = "new")]
        password_file: Option<PathBuf>,
    },
    /// Make a recovery code, which brings your keys back when the password is lost
    RecoveryCode {
        /// Read the password from this file's first line instead of asking; - is standard input
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Do not ask for two groups of it back: for scripts that keep what is printed
        #[arg(long)]
        unchecked: bool,
    },
    /// Come back in with the recovery code, under a new password
    Recover {
        /// The server: https://example.org
        server: Address,
        /// Your name there
        name: Name,
        /// Read the recovery code from this file's first line, and the new password from its second, instead of asking; - is
        /// standard input
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
}

/// A message's number: `m7` is the seventh of mine, `t3` the third of theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Number {
    whose: Whose,
    counter: u64,
}

impl std::str::FromStr for Number {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Number, &'static str> {
        let wrong = "a message's number is m (mine) or t (theirs) and a number: m7, t3";
        let whose = match text.as_bytes().first() {
            Some(b'm') => Whose::Mine,
            Some(b't') => Whose::Theirs,
            _ => return Err(wrong),
        };
        let counter = text[1..].parse().map_err(|_| wrong)?;
        Ok(Number { whose, counter })
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whose = if self.whose == Whose::Mine { 'm' } else { 't' };
        write!(f, "{whose}{}", self.counter)
    }
}

/// Whether something could not be written to standard output.
static UNSAID: AtomicBool = AtomicBool::new(false);

/// Writes to standard output, with this at the end. Who listens no longer (`… | head`) is no reason to stop half-way, with
/// nothing kept; anything else makes the command fail.
macro_rules! say {
    ($end:literal, $($said:tt)*) => {
        match io::stdout().write_all((format!($($said)*) + $end).as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                eprintln!("neospace: standard output: {error}");
                UNSAID.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
    };
}

/// What goes wrong here is a sentence, or an alarm.
type Outcome<T = ()> = Result<T, Trouble>;

fn wrong(sentence: impl Into<String>) -> Trouble {
    Trouble::Wrong(sentence.into())
}

/// Does what was asked for.
pub fn main(Dm { account, command }: Dm) -> ExitCode {
    let mut said = Said::default();
    let done = match command {
        Command::LogIn {
            server,
            name,
            password_file,
        } => log_in(server, name, password_file.as_deref()),
        Command::Recover { server, name, from } => recover(server, name, from.as_deref()),
        command => Folder::find(account.as_deref())
            .map_err(Trouble::Wrong)
            .and_then(|folder| run(&folder, command, &mut said)),
    };
    match done {
        Ok(()) if UNSAID.load(Ordering::Relaxed) => ExitCode::FAILURE,
        Ok(()) if said.0.is_empty() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(ALARMED),
        Err(trouble) => {
            let alarms = trouble.alarms();
            for alarm in &alarms {
                eprintln!("neospace: alarm {}", alarm.code());
            }
            eprintln!("neospace: {}", printable(&trouble.to_string()));
            if alarms.is_empty() {
                ExitCode::FAILURE
            } else {
                ExitCode::from(ALARMED)
            }
        }
    }
}

/// The alarms that were said, each once.
#[derive(Default)]
struct Said(Vec<(Option<Name>, Notice)>);

impl Said {
    fn say(&mut self, peer: &Name, view: &View) {
        for notice in &view.notices {
            let about = (Some(peer.clone()), *notice);
            if !self.0.contains(&about) {
                eprintln!("neospace: alarm {} with {peer}: {notice}", notice.alarm.code());
                if notice.alarm == neospace_dm::Alarm::KeyChanged {
                    eprintln!("neospace: to trust the new keys: neospace dm accept-key {peer}");
                }
                self.0.push(about);
            }
        }
    }
}

fn run(folder: &Folder, command: Command, said: &mut Said) -> Outcome {
    match command {
        Command::LogIn { .. } | Command::Recover { .. } => Ok(()),
        Command::LogOut => log_out(folder),
        Command::Watch { name, count } => watch(folder, name.as_ref(), count, said),
        command => with_device(folder, |device| with(device, folder, command, said)),
    }
}

/// What needs a device.
fn with(device: &mut Device, folder: &Folder, command: Command, said: &mut Said) -> Outcome {
    match command {
        Command::List => list(device),
        Command::Read { name, all, keep_unread } => read(device, &name, all, keep_unread, said),
        Command::Send {
            name,
            text,
            files,
            reply,
        } => send(device, &name, text, &files, reply, said),
        Command::Edit { name, number, text } => {
            let item = find(device, &name, number, said)?;
            if item.whose != Whose::Mine || !matches!(item.says, Says::Text { .. }) {
                return Err(wrong(
                    "Only your own messages can be edited: those with an m before the number.",
                ));
            }
            device.edit(&name, item.counter, &text)?;
            say!(
                "
",
                "{number} is edited."
            );
            Ok(())
        }
        Command::Delete { name, number, for_me } => {
            let item = find(device, &name, number, said)?;
            if for_me {
                device.hide(&name, &item)?;
                say!(
                    "
",
                    "{number} is hidden from you, on all your devices. {name} keeps it."
                );
            } else if item.whose == Whose::Theirs {
                return Err(wrong(
                    "Only your own messages can be removed for both; --for-me hides theirs from you.",
                ));
            } else {
                device.remove(&name, &item)?;
                say!(
                    "
",
                    "{number} is removed for both."
                );
            }
            Ok(())
        }
        Command::Save { name, number, to } => save(device, &name, number, &to, said),
        Command::Safety {
            name,
            compared,
            not_compared,
        } => safety(device, &name, compared, not_compared),
        Command::AcceptKey { name } => {
            let pin = device.accept_key(&name)?;
            say!(
                "
",
                "{name}'s keys number {} are trusted from now on. The safety number is:",
                pin.generation
            );
            print_number(&device.safety_number(&name)?);
            Ok(())
        }
        Command::Accept { name } => measured(device, &name, "accept", "may write to you"),
        Command::Decline { name } => measured(device, &name, "decline", "is declined, and isn't told"),
        Command::Block { name } => measured(
            device,
            &name,
            "block",
            "is blocked: neither of you can write to the other",
        ),
        Command::Unblock { name } => measured(device, &name, "unblock", "is not blocked any more"),
        Command::Mute { name } => measured(device, &name, "mute", "is muted"),
        Command::Unmute { name } => measured(device, &name, "unmute", "is not muted any more"),
        Command::Report { name, number, reason } => {
            let conversation = device.load_all(&name)?;
            let view = look(device, &conversation, said)?;
            let item = item(&view, number)?;
            device.report(&conversation, &item, &reason)?;
            say!(
                "
",
                "{number} was revealed to the operator, and nothing else was."
            );
            Ok(())
        }
        Command::Keys { new: false, .. } => keys(device),
        Command::Keys { password_file, .. } => {
            let keys = credentials(folder, password_file.as_deref())?;
            device.make_new_keys(&keys.wrap, &keys.auth)?;
            say!(
                "
",
                "You have new keys, number {}. Those you talk to are asked to accept them. If you had a recovery code, it is void: \
                 make a new one with neospace dm recovery-code.",
                device.keys().generation()
            );
            Ok(())
        }
        Command::RecoveryCode {
            password_file,
            unchecked,
        } => recovery_code(device, folder, password_file.as_deref(), unchecked),
        // They have no device yet, or use it now and then.
        Command::LogIn { .. } | Command::Recover { .. } | Command::LogOut | Command::Watch { .. } => Ok(()),
    }
}

// ── coming and going ─────────────────────────────────────────────────────────────────────────────

fn log_in(server: Address, name: Name, password_file: Option<&Path>) -> Outcome {
    let folder = Folder::of(&name, &server).map_err(Trouble::Wrong)?;
    let wire = Wire::new(server.clone(), Cookies::new()).map_err(Trouble::Unreachable)?;
    let password = password(&format!("{name}'s password on {}: ", server.host()), password_file)?;
    let keys = account::log_in(&wire.ask(), &name, &password)?;
    folder.make().map_err(Trouble::Wrong)?;
    let locked = folder.lock().map_err(Trouble::Wrong)?;
    let opened = Device::open(wire.ask(), &name, &keys.wrap).and_then(|mut device| {
        // What was known here before is known still: the server may not go back behind that.
        match locked.kept() {
            Ok(kept) => device.take_over(&kept).map(|()| device),
            Err(_) => Ok(device),
        }
    });
    let device = opened.inspect_err(|_| {
        let _ = account::log_out(&wire.ask());
    })?;
    keep(&locked, &device, server, &wire)?;
    say!(
        "
",
        "Logged in as {name}."
    );
    if !device.has_recovery()? {
        say!(
            "
",
            "You have no recovery code: without one, a lost password loses the history. Make one with neospace dm recovery-code."
        );
    }
    Ok(())
}

fn keep(locked: &Locked<'_>, device: &Device, server: Address, wire: &Wire) -> Outcome {
    let session = Session {
        server,
        name: device.name().clone(),
        cookies: wire.cookies(),
    };
    locked
        .keep(device.kept())
        .and_then(|()| locked.keep_session(&session))
        .map_err(Trouble::Wrong)
}

fn log_out(folder: &Folder) -> Outcome {
    let locked = folder.lock().map_err(Trouble::Wrong)?;
    let ended = folder.session().map_err(Trouble::Wrong).and_then(|session| {
        let wire = Wire::new(session.server, session.cookies).map_err(Trouble::Unreachable)?;
        account::log_out(&wire.ask())
    });
    locked.forget().map_err(Trouble::Wrong)?;
    say!(
        "
",
        "Keys and session are gone from this machine."
    );
    ended.map_err(|trouble| {
        wrong(format!(
            "The session could not be ended on the server: {trouble} Revoke it in your settings there."
        ))
    })
}

fn recover(server: Address, name: Name, from: Option<&Path>) -> Outcome {
    let folder = Folder::of(&name, &server).map_err(Trouble::Wrong)?;
    let wire = Wire::new(server.clone(), Cookies::new()).map_err(Trouble::Unreachable)?;
    let (code, password) = match from {
        Some(file) => {
            let text = text_of(file)?;
            let mut lines = text.lines();
            let mut line = || Zeroizing::new(lines.next().unwrap_or_default().to_owned());
            (line(), line())
        }
        None => {
            let code = ask_secretly("Recovery code: ")?;
            RecoveryCode::parse(&code).map_err(|bad| wrong(bad.to_string()))?;
            let password = ask_secretly("New password, at least 10 characters: ")?;
            if password != ask_secretly("The same again: ")? {
                return Err(wrong("The two passwords are not the same. Nothing was changed."));
            }
            (code, password)
        }
    };
    let code = RecoveryCode::parse(&code).map_err(|bad| wrong(bad.to_string()))?;
    let (device, _) = account::recover(wire.ask(), &name, &code, &password)?;
    folder.make().map_err(Trouble::Wrong)?;
    let locked = folder.lock().map_err(Trouble::Wrong)?;
    keep(&locked, &device, server, &wire)?;
    say!(
        "
",
        "You are back, {name}, with the new password. All other devices were logged out."
    );
    Ok(())
}

/// Does something with the account's device, while no other command does, and keeps what came of it.
fn with_device<T>(folder: &Folder, act: impl FnOnce(&mut Device) -> Outcome<T>) -> Outcome<T> {
    let locked = folder.lock().map_err(Trouble::Wrong)?;
    let session = folder.session().map_err(Trouble::Wrong)?;
    let wire = Wire::new(session.server, session.cookies).map_err(Trouble::Unreachable)?;
    let kept = locked.kept().map_err(Trouble::Wrong)?;
    let device = Device::resume(wire.ask(), kept);
    let mut device = device.map_err(|trouble| match trouble {
        Trouble::Refused { status: 401, .. } => wrong(format!(
            "Your session has ended. Log in again: neospace dm log-in {} {}",
            wire.address(),
            session.name
        )),
        other => other,
    })?;
    device.keep_by(locked.keeper());
    let result = act(&mut device).and_then(|done| device.store_notebook().map(|()| done));
    let kept = locked.keep(device.kept()).map_err(Trouble::Wrong);
    result.and_then(|done| kept.map(|()| done))
}

fn credentials(folder: &Folder, password_file: Option<&Path>) -> Outcome<crate::crypto::Keys> {
    let Session { server, name, cookies } = folder.session().map_err(Trouble::Wrong)?;
    let password = password(&format!("{name}'s password on {}: ", server.host()), password_file)?;
    let wire = Wire::new(server, cookies).map_err(Trouble::Unreachable)?;
    account::derive(&wire.ask(), &name, &password)
}

fn password(prompt: &str, file: Option<&Path>) -> Outcome<Zeroizing<String>> {
    let Some(file) = file else { return ask_secretly(prompt) };
    let text = text_of(file)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()))
}

fn ask_secretly(prompt: &str) -> Outcome<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| {
        wrong(format!(
            "There is no terminal to ask on ({error}). Scripts give a file: see --help."
        ))
    })
}

/// A file's text; `-` is standard input.
fn text_of(file: &Path) -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        io::stdin().read_to_string(&mut text)
    } else {
        fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| wrong(format!("{}: {error}.", file.display())))?;
    Ok(text)
}

// ── talking ──────────────────────────────────────────────────────────────────────────────────────

fn list(device: &Device) -> Outcome {
    let conversations = device.conversations()?;
    if conversations.is_empty() {
        say!(
            "
",
            "Nobody has written yet. Begin with: neospace dm send NAME \"Hello\""
        );
    }
    for listed in conversations {
        let pin = device.notebook().peers.get(&listed.with).and_then(|peer| peer.pin);
        let mut marks = Vec::new();
        match listed.state.as_str() {
            "request" => marks.push("asks to write to you"),
            "asked" => marks.push("you asked"),
            _ => {}
        }
        for (holds, mark) in [
            (listed.last_seq > listed.read_seq, "unread"),
            (pin.is_some_and(|pin| pin.compared), "compared"),
            (listed.muted, "muted"),
            (listed.blocked, "blocked"),
            (device.waits(&listed.with), "a message waits to be sent"),
        ] {
            if holds {
                marks.push(mark);
            }
        }
        let marks = if marks.is_empty() {
            String::new()
        } else {
            format!("  ({})", marks.join(", "))
        };
        say!(
            "
",
            "{:<24}  {}{marks}",
            listed.with,
            when(listed.at)
        );
    }
    Ok(())
}

fn look(device: &mut Device, conversation: &Conversation, said: &mut Said) -> Outcome<View> {
    let view = device.look(conversation)?;
    said.say(&conversation.with, &view);
    Ok(view)
}

fn read(device: &mut Device, name: &Name, all: bool, keep_unread: bool, said: &mut Said) -> Outcome {
    let conversation = if all {
        device.load_all(name)?
    } else {
        device.load(name)?
    };
    let view = look(device, &conversation, said)?;
    if view.items.is_empty() {
        say!(
            "
",
            "You and {name} have said nothing yet."
        );
    } else if !conversation.thread.complete {
        say!(
            "
",
            "There is more before this: neospace dm read --all {name}"
        );
    }
    for item in &view.items {
        say!("", "{}", line(item, name));
    }
    if conversation.state == "request" {
        say!(
            "
",
            "{name} asks to write to you: neospace dm accept {name}, or decline {name}."
        );
    }
    if !keep_unread && conversation.last_seq > conversation.read_seq {
        device.mark_read(name, conversation.last_seq)?;
    }
    Ok(())
}

fn send(
    device: &mut Device,
    name: &Name,
    text: Option<String>,
    files: &[PathBuf],
    reply: Option<Number>,
    said: &mut Said,
) -> Outcome {
    let text = match text {
        Some(text) => text,
        None if !files.is_empty() && io::stdin().is_terminal() => String::new(),
        None => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(|error| wrong(format!("Standard input is no text: {error}.")))?;
            text.trim_end_matches('\n').to_owned()
        }
    };
    let reply = match reply {
        Some(number) => {
            find(device, name, number, said)?;
            Some(Reply {
                of: number.whose,
                counter: number.counter,
            })
        }
        None => None,
    };
    let mut body = Body::Text {
        at: now(),
        text,
        reply,
        files: Vec::new(),
    };
    let mut opened = Vec::new();
    for file in files {
        let bytes = fs::read(file).map_err(|error| wrong(format!("{}: {error}.", file.display())))?;
        let called = file.file_name().and_then(|name| name.to_str());
        let called = called.ok_or_else(|| wrong(format!("{} has no name that can be sent.", file.display())))?;
        opened.push((called.to_owned(), bytes));
    }
    if opened.is_empty() {
        // Said before anything is asked of the server.
        body.encode()?;
    }
    let (_, view) = device.read(name)?;
    said.say(name, &view);
    let mut uploaded: Vec<FileRef> = Vec::new();
    if view.stopped().is_none() {
        for (called, bytes) in opened {
            uploaded.push(device.upload(name, &called, media_type(&bytes), bytes)?);
        }
    }
    if let Body::Text { files, .. } = &mut body {
        *files = uploaded;
    }
    let sent = device.send(name, &body)?;
    say!(
        "
",
        "m{} is stored.",
        sent.counter
    );
    Ok(())
}

/// What a file says of itself in its first bytes. Whoever gets it looks for themselves.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        _ => "application/octet-stream",
    }
}

/// A message by its number, wherever in the conversation it is.
fn find(device: &mut Device, name: &Name, number: Number, said: &mut Said) -> Outcome<Item> {
    let mut conversation = device.load(name)?;
    loop {
        let view = device.look(&conversation)?;
        let known = item(&view, number);
        if known.is_ok() || !device.load_older(&mut conversation)? {
            said.say(name, &view);
            return known;
        }
    }
}

fn item(view: &View, number: Number) -> Outcome<Item> {
    let is = |item: &&Item| item.whose == number.whose && item.counter == number.counter;
    let found = view.items.iter().find(is).cloned();
    found.ok_or_else(|| {
        wrong(format!(
            "There is no message {number}. `read` shows the numbers; edits and removals have none."
        ))
    })
}

fn save(device: &mut Device, name: &Name, number: Number, to: &Path, said: &mut Said) -> Outcome {
    let item = find(device, name, number, said)?;
    let Says::Text { files, .. } = item.says else {
        return Err(wrong(format!("{number} has no files.")));
    };
    if files.is_empty() {
        return Err(wrong(format!("{number} has no files.")));
    }
    for file in &files {
        let bytes = device.download(name, file)?;
        let path = to.join(safe_name(&file.name));
        let written = fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let written = written.and_then(|mut file| file.write_all(&bytes));
        written.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => wrong(format!(
                "{} is there already; it was left as it is. --to names another folder.",
                path.display()
            )),
            _ => wrong(format!("{}: {error}.", path.display())),
        })?;
        say!(
            "
",
            "{} ({})",
            path.display(),
            size(file.size)
        );
    }
    Ok(())
}

/// A name that its sender chose, as one that means nothing to a file system or a shell: no hidden file, no option.
fn safe_name(name: &str) -> String {
    let name: String = name
        .chars()
        .map(|c| {
            if matches!(c, '/' | '\\') || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect();
    match name.as_bytes() {
        [b'.' | b'-', ..] => format!("_{name}"),
        _ => name,
    }
}

fn measured(device: &Device, name: &Name, measure: &str, done: &str) -> Outcome {
    device.measure(name, measure)?;
    say!(
        "
",
        "{name} {done}."
    );
    Ok(())
}

/// One message, as lines for a terminal: what others wrote can't begin one.
fn line(item: &Item, peer: &Name) -> String {
    let number = Number {
        whose: item.whose,
        counter: item.counter,
    };
    let who = if item.whose == Whose::Mine { "you" } else { peer };
    let (at, text) = match &item.says {
        Says::Text {
            text,
            history,
            at,
            reply,
            files,
        } => {
            let mut said = String::new();
            if let Some(reply) = reply {
                // As its sender sees it.
                let whose = if (reply.of == Whose::Mine) == (item.whose == Whose::Mine) {
                    Whose::Mine
                } else {
                    Whose::Theirs
                };
                let to = Number {
                    whose,
                    counter: reply.counter,
                };
                said += &format!("[answers {to}] ");
            }
            said += &printable(text);
            for file in files {
                let space = if said.is_empty() || said.ends_with(' ') {
                    ""
                } else {
                    " "
                };
                said += &format!("{space}[file: {}, {}]", printable(&file.name), size(file.size));
            }
            if !history.is_empty() {
                said += " (edited)";
            }
            (*at, said)
        }
        Says::Removed => (item.at, "[removed]".into()),
        Says::Hidden => (item.at, "[hidden by you]".into()),
        Says::Unknown => (item.at, "[a kind of message that this client doesn't know]".into()),
        Says::Nothing(alarm) => (item.at, format!("[not shown: {}]", alarm.code())),
    };
    let differs = at.abs_diff(item.at) > TIMES_DIFFER;
    let stored = if differs {
        format!(" (stored {})", when(item.at))
    } else {
        String::new()
    };
    let text = text.replace('\n', "\n    | ");
    format!("{}{stored}  {number}  {who}: {text}\n", when(at))
}

fn size(bytes: u64) -> String {
    if bytes < 1024 {
        format!("{bytes} bytes")
    } else {
        words::size(bytes)
    }
}

/// A moment: "2026-11-21 15:04".
fn when(ms: u64) -> String {
    let moment = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    let local = moment.map(|moment| moment.to_zoned(jiff::tz::TimeZone::system()));
    local.map_or_else(
        || "at no time".into(),
        |local| local.strftime("%Y-%m-%d %H:%M").to_string(),
    )
}

// ── watching ─────────────────────────────────────────────────────────────────────────────────────

/// What was printed of a conversation.
type Printed = BTreeMap<(Whose, u64), String>;

fn watch(folder: &Folder, only: Option<&Name>, count: Option<u64>, said: &mut Said) -> Outcome {
    let session = folder.session().map_err(Trouble::Wrong)?;
    let wire = Wire::new(session.server, session.cookies).map_err(Trouble::Unreachable)?;
    let mut printed: BTreeMap<Name, Printed> = BTreeMap::new();
    let mut left = count;
    // What is there already isn't news.
    with_device(folder, |device| {
        let names = match only {
            Some(name) => vec![name.clone()],
            None => device.conversations()?.into_iter().map(|listed| listed.with).collect(),
        };
        for name in names {
            let conversation = device.load(&name)?;
            let view = look(device, &conversation, said)?;
            let known = view.items.iter().map(|item| (key(item), line(item, &name))).collect();
            printed.insert(name, known);
        }
        Ok(())
    })?;
    let mut was_open = false;
    loop {
        let Ok(mut live) = wire.live() else {
            if !was_open {
                eprintln!("neospace: the line is not open; trying until it is");
                was_open = true;
            }
            std::thread::sleep(AGAIN);
            continue;
        };
        while let Some(frame) = live.hear() {
            let event = frame["event"].as_str().unwrap_or_default();
            let names: Vec<Name> = match event {
                "connected" => {
                    eprintln!("neospace: watching; Ctrl-C ends it");
                    was_open = true;
                    // What came while the line was down.
                    printed.keys().cloned().collect()
                }
                "dm_message" | "dm_deleted" | "dm_changed" => frame["with"]
                    .as_str()
                    .and_then(|name| name.parse().ok())
                    .into_iter()
                    .collect(),
                _ => continue,
            };
            for name in names.into_iter().filter(|name| only.is_none_or(|only| only == name)) {
                let known = printed.entry(name.clone()).or_default();
                let news = with_device(folder, |device| {
                    let conversation = device.load(&name)?;
                    look(device, &conversation, said)
                })?;
                for item in &news.items {
                    let now = line(item, &name);
                    let before = known.insert(key(item), now.clone());
                    if before.as_ref() == Some(&now) {
                        continue;
                    }
                    let with = if item.whose == Whose::Mine && only.is_none() {
                        format!("[to {name}] ")
                    } else {
                        String::new()
                    };
                    say!("", "{with}{now}");
                    let _ = io::stdout().flush();
                    if before.is_none()
                        && let Some(left) = &mut left
                    {
                        *left = left.saturating_sub(1);
                    }
                }
                if left == Some(0) {
                    return Ok(());
                }
            }
        }
        eprintln!("neospace: the line broke; trying to come back");
        std::thread::sleep(AGAIN);
    }
}

fn key(item: &Item) -> (Whose, u64) {
    (
        item.whose,
        if item.counter == 0 {
            u64::MAX - item.seq
        } else {
            item.counter
        },
    )
}

// ── keys and trust ───────────────────────────────────────────────────────────────────────────────

fn safety(device: &mut Device, name: &Name, compared: bool, not_compared: bool) -> Outcome {
    let number = device.safety_number(name)?;
    print_number(&number);
    if compared || not_compared {
        device.set_compared(name, compared)?;
    }
    let pin = device.pin(name)?;
    if pin.compared {
        say!(
            "
",
            "You have compared it."
        );
    } else {
        say!(
            "
",
            "Compare it with what {name} sees, where nobody can alter it on the way; then: neospace dm safety {name} --compared"
        );
    }
    Ok(())
}

/// Twelve groups of five digits, four in a line.
fn print_number(number: &str) {
    let groups: Vec<&str> = (0..number.len())
        .step_by(5)
        .filter_map(|at| number.get(at..at + 5))
        .collect();
    for line in groups.chunks(4) {
        say!(
            "
",
            "    {}",
            line.join(" ")
        );
    }
}

fn keys(device: &Device) -> Outcome {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let newest = device.keys().newest().keys;
    let head = device.log().head();
    say!(
        "
",
        "Account:       {}",
        device.name()
    );
    say!(
        "
",
        "Keys:          number {}",
        device.keys().generation()
    );
    say!(
        "
",
        "  identity     {}",
        hex(&newest.identity)
    );
    say!(
        "
",
        "  signing      {}",
        hex(&newest.signing)
    );
    say!(
        "
",
        "Key log:       {} entries, head {}",
        head.size,
        hex(&head.hash)
    );
    say!(
        "
",
        "Recovery code: {}",
        if device.has_recovery()? {
            "there is one"
        } else {
            "none; make one with neospace dm recovery-code"
        }
    );
    for (name, peer) in &device.notebook().peers {
        if let Some(pin) = peer.pin {
            let compared = if pin.compared { ", compared" } else { "" };
            say!(
                "
",
                "Trusts:        {name}, keys number {}{compared}",
                pin.generation
            );
        }
    }
    device.alarm().map_or(Ok(()), |alarm| Err(alarm.into()))
}

fn recovery_code(device: &Device, folder: &Folder, password_file: Option<&Path>, unchecked: bool) -> Outcome {
    let keys = credentials(folder, password_file)?;
    let code = RecoveryCode::fresh();
    let text = Zeroizing::new(code.to_string());
    say!(
        "
", "{}", *text
    );
    if !unchecked {
        eprintln!("Write it down on paper, and keep it where you keep what must not be lost. It is shown this once.");
        // Two of the seven groups, so that it was really written.
        for group in [2, 6] {
            let typed = ask_secretly(&format!("Type group {group} of it: "))?;
            let meant = text.split('-').nth(group - 1).unwrap_or_default();
            if !typed.trim().eq_ignore_ascii_case(meant) {
                return Err(wrong("That is not what it says. Nothing was stored: start again."));
            }
        }
    }
    device.set_recovery(&code, &keys.auth)?;
    eprintln!("The recovery code is in force. An earlier one is void.");
    Ok(())
}
