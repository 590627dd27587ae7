//! How often one may try to come in.
//!
//! Never a lock-out: every wait is short, and the first try for an account from an address that has not failed on it
//! lately is never held up by what others try on that account. So whoever guesses at ana's password makes himself wait,
//! and not ana.

use super::*;
use crate::hasher::Busy;
use crate::throttle::Pace;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Whatever one address tries at any account.
const ADDRESS: Pace = Pace {
    name: "login address",
    free: 20,
    first: SECOND,
    longest: MINUTE,
    fade: Duration::from_secs(900),
};
/// What one address tries at one account.
const PAIR: Pace = Pace {
    name: "login pair",
    free: 5,
    first: SECOND,
    longest: MINUTE,
    fade: Duration::from_secs(900),
};
/// What all addresses together try at one account.
const ACCOUNT: Pace = Pace {
    name: "login account",
    free: 30,
    first: SECOND,
    longest: MINUTE,
    fade: Duration::from_secs(900),
};
/// New accounts from one address.
const REGISTER: Pace = Pace {
    name: "register",
    free: 60,
    first: Duration::from_secs(10),
    longest: Duration::from_secs(600),
    fade: Duration::from_secs(3_600),
};
/// Wrong invite codes from one address.
const INVITE: Pace = Pace {
    name: "invite",
    free: 5,
    first: SECOND,
    longest: MINUTE,
    fade: Duration::from_secs(3_600),
};

/// Counts a try at an account, or says how long to wait. `network` is [`crate::throttle::network`] of the address.
pub fn try_log_in(app: &App, network: &str, name: &str) -> Result<(), Error> {
    let (now, pair) = (Instant::now(), format!("{name} {network}"));
    let first = app.throttle.tries(now, &PAIR, &pair) == 0;
    let mut on = vec![(&ADDRESS, network), (&PAIR, pair.as_str())];
    if !first {
        on.push((&ACCOUNT, name));
    }
    app.throttle
        .attempt(now, &on)
        .map_err(|wait| too_often(wait, "That was tried too often."))
}

/// The try was right.
pub fn came_in(app: &App, network: &str, name: &str) {
    app.throttle.take_back(Instant::now(), &ADDRESS, network);
    app.throttle.forget(&PAIR, &format!("{name} {network}"));
    app.throttle.forget(&ACCOUNT, name);
}

/// The try was not looked at, because too many wait: it doesn't count for who made it.
pub fn not_answered(app: &App, network: &str, name: &str, wait: Busy) -> Error {
    app.throttle.take_back(Instant::now(), &ADDRESS, network);
    app.throttle
        .take_back(Instant::now(), &PAIR, &format!("{name} {network}"));
    busy(wait)
}

/// Counts a new account, or says how long to wait.
pub fn try_register(app: &App, network: &str) -> Result<(), Error> {
    let on = [(&REGISTER, network)];
    app.throttle
        .attempt(Instant::now(), &on)
        .map_err(|wait| too_often(wait, "Many walls were made from where you are."))
}

/// Counts an invite code, or says how long to wait.
pub fn try_invite(app: &App, network: &str) -> Result<(), Error> {
    let on = [(&INVITE, network)];
    app.throttle
        .attempt(Instant::now(), &on)
        .map_err(|wait| too_often(wait, "Too many wrong codes."))
}

/// The code was right.
pub fn invited(app: &App, network: &str) {
    app.throttle.take_back(Instant::now(), &INVITE, network);
}

fn too_often(retry_after: u64, message: &str) -> Error {
    Error::TooMany {
        retry_after,
        message: message.into(),
    }
}
