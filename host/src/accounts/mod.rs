//! Accounts: getting one, coming in, leaving, and one's own settings.
//!
//! The server never sees a password. What it gets is a key that the browser derived (`crypto.rs`), and what it keeps is
//! argon2id of that key. It does not tell who exists, never locks anybody out, and has no way to reset a password:
//! a recovery code, whose key it keeps in the same way, is the only other way in.
//!
//! `door.rs` answers `/register`, `/login`, `/login/parameters` and `/logout`; `settings.rs` answers `/settings` and
//! what hangs below it, `tokens.rs` the part of it about tokens, `keys.rs` what makes and recovers keys; `leaving.rs` is about
//! leaving for good, and `deletion.rs` does it; `pace.rs` says how often one may try.

mod deletion;
mod door;
mod keys;
mod leaving;
pub mod moving;
mod mutations;
mod pace;
mod queries;
mod settings;
mod tokens;

pub use deletion::follow as follow_deletions;
pub use door::{log_in, log_in_page, log_out, log_out_page, parameters, register_member, register_page};
pub use keys::{open_recovery, post_keys, recover, recover_page, set_recovery};
pub use leaving::{delete, delete_page, keep, leaving_page, receipt, receipt_page};
pub use settings::{
    change_password, check_password, notice, notices, revoke_other_sessions, revoke_session, set_plain, set_presence,
    settings_page,
};
pub use tokens::{make_token, revoke_token};

use crate::app::App;
use crate::crypto::{self, AuthKey, Parameters};
use crate::error::Error;
use crate::profiles::{is_name, pictures::COLOURS};
use crate::session::Viewer;
use crate::walls;

/// Names that would be taken for the house, its staff or a page.
const RESERVED: &str = "abuse account accounts admin administrator all anonymous api apps desk directory dm everybody everyone \
    guest guests health help here host hostmaster keys live lobby login logout mail member members metrics mod \
    moderator neospace nobody notebook null official operator operators owner plugin plugins postmaster public-feed \
    random receipt recover recovery register reports root rooms sandbox security settings signin signup staff static support sysop system \
    undefined visitor wall walls webmaster www you";

/// An account about to be made. `name` is folded and checked already.
struct New {
    name: String,
    parameters: Parameters,
    auth_hash: String,
    ink: String,
    starter: walls::Starter,
}

/// Makes an account from a password, as the registration form does from keys: for programs that have the password, such
/// as the demo. Answers the member's id, and the wrap key, which is kept nowhere.
///
/// # Errors
/// [`Error::Invalid`] for a name, password or ink that is not allowed or a name that is taken; the database's.
pub async fn register(app: &App, name: &str, password: &str, ink: &str) -> Result<(i64, [u8; 32]), Error> {
    let name = check_name(name).map_err(|why| Error::field("name", why))?;
    crypto::check_new_password(password).map_err(|why| Error::field("auth", why.to_string()))?;
    if !is_ink(ink) {
        return Err(Error::field("ink", allowed_inks()));
    }
    let parameters = Parameters::fresh();
    let (owner, password) = (name.clone(), password.to_owned());
    let keys = tokio::task::spawn_blocking(move || crypto::derive(&owner, &password, &parameters))
        .await
        .map_err(Error::internal)?
        .map_err(|why| Error::field("auth", why.to_string()))?;
    let auth_hash = hash(app, &keys.auth).await?;
    let new = New {
        name,
        parameters,
        auth_hash,
        ink: ink.to_owned(),
        starter: walls::starter(app),
    };
    let id = app.db.write(move |tx| mutations::create(tx, &new)).await?;
    Ok((id, keys.wrap))
}

/// Whether something waits on the viewer's `/settings` that they have not read.
///
/// # Errors
/// The database's.
pub fn has_unread(app: &App, viewer: &Viewer) -> Result<bool, Error> {
    viewer
        .id()
        .map_or(Ok(false), |id| app.db.read(|db| queries::has_unread(db, id)))
}

/// The name as it is stored, or what is allowed, with a suggestion where one is near.
fn check_name(name: &str) -> Result<String, String> {
    let folded = crypto::fold_name(name);
    if folded.is_empty() {
        return Err("Pick a name: 3 to 24 of a-z, 0-9, _ and -.".into());
    }
    if is_reserved(&folded) {
        return Err(format!("“{folded}” belongs to the house. Pick another."));
    }
    if is_name(&folded) {
        return Ok(folded);
    }
    let rule = "Names use 3 to 24 of a-z, 0-9, _ and -.";
    let near = near(&folded);
    Err(match is_name(&near) && !is_reserved(&near) {
        true => format!("{rule} How about {near}?"),
        false => rule.into(),
    })
}

fn is_reserved(name: &str) -> bool {
    RESERVED.split(' ').any(|reserved| reserved == name)
}

/// What is left of a name that isn't allowed: its letters and digits, a dash for whatever stood between.
fn near(name: &str) -> String {
    let words = name.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'));
    let joined = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    let cut: String = joined.chars().take(24).collect();
    cut.trim_matches('-').to_owned()
}

fn is_ink(ink: &str) -> bool {
    COLOURS.iter().any(|(colour, _)| *colour == ink)
}

fn allowed_inks() -> String {
    format!("Pick one of {}.", COLOURS.map(|(colour, _)| colour).join(", "))
}

async fn hash(app: &App, key: &AuthKey) -> Result<String, Error> {
    app.hasher.hash(key).await.map_err(busy)
}

/// Too many are at the door.
fn busy(busy: crate::hasher::Busy) -> Error {
    Error::TooMany {
        retry_after: busy.retry_after_s,
        message: "There is a crowd at the door just now.".into(),
    }
}
