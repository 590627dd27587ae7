//! Coming in: with a password, which never leaves the device, or with the recovery code.

use neospace_dm::{
    Alarm, Name, b64,
    keys::{self, Kind, RecoveryCode},
    log::Log,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Ask, Device, Trouble, accepted, ask, get, json as answer_json, post, read_log};
use crate::crypto::{self, Keys, Parameters, Refused};

/// The keys of an account's password, by the parameters that the server has for it.
///
/// # Errors
/// [`Alarm::Kdf`] for parameters that aren't safe, before anything was derived or sent.
pub fn derive(asking: &Ask, name: &Name, password: &str) -> Result<Keys, Trouble> {
    let told: Value = answer_json(asking, get(&format!("/login/parameters?name={name}")))?;
    let parameters: Parameters = serde_json::from_value(told).map_err(|_| Alarm::Kdf)?;
    crypto::derive(name, password, &parameters).map_err(|refused| match refused {
        Refused::Rounds(_) => Alarm::Kdf.into(),
        other => Trouble::Wrong(other.to_string()),
    })
}

/// Logs in. Who asks keeps the session's cookie.
///
/// # Errors
/// As [`derive`]; what the server refuses.
pub fn log_in(asking: &Ask, name: &Name, password: &str) -> Result<Keys, Trouble> {
    let keys = derive(asking, name, password)?;
    let body = json!({ "name": &**name, "auth": keys.auth });
    accepted(&ask(asking, post("/login", body))?)?;
    Ok(keys)
}

/// Ends the session.
///
/// # Errors
/// What the server refuses.
pub fn log_out(asking: &Ask) -> Result<(), Trouble> {
    accepted(&ask(asking, post("/logout", json!({})))?).map(|_| ())
}

/// Comes back in with the recovery code, under a new password. All the account's sessions end, and this one begins.
///
/// # Errors
/// For a password that can't be one; alarms about log and wrapped keys; what the server refuses.
pub fn recover(asking: Ask, name: &Name, code: &RecoveryCode, password: &str) -> Result<(Device, Keys), Trouble> {
    #[derive(Deserialize)]
    struct Opened {
        wrapped: String,
    }
    crypto::check_new_password(password).map_err(|refused| Trouble::Wrong(refused.to_string()))?;
    let of_code = code.keys(name);
    let proof = b64::encode(of_code.auth.as_slice());
    let body = json!({ "name": &**name, "recovery": proof });
    let opened: Opened = answer_json(&asking, post("/recover/open", body))?;
    let mut log = Log::default();
    read_log(&asking, &mut log, &mut Vec::new())?;
    let newest = log.member(name)?.last().ok_or(Alarm::LogFork)?;
    let wrapped: Vec<u8> = b64::decode(&opened.wrapped).ok_or(Alarm::Wrapped)?;
    let roots = keys::unwrap(&of_code.wrap, Kind::Recovery, name, &newest.keys, &wrapped)?;
    let parameters = Parameters::fresh();
    let keys = crypto::derive(name, password, &parameters).map_err(|refused| Trouble::Wrong(refused.to_string()))?;
    let wrapped = keys::wrap(&keys.wrap, Kind::Password, name, &roots).ok_or(Alarm::Wrapped)?;
    let body = json!({
        "name": &**name,
        "recovery": proof,
        "auth": keys.auth,
        "salt": parameters.salt,
        "rounds": parameters.rounds,
        "wrapped": b64::encode(wrapped),
    });
    accepted(&ask(&asking, post("/recover", body))?)?;
    let device = Device::open(asking, name, &keys.wrap)?;
    Ok((device, keys))
}
