//! What keys for direct messages have to do with the account: new ones, which from the second on need the password's proof; the
//! recovery code; and coming back in with it, which is throttled, worked for and answered exactly as the log-in is.

use super::door::{auth_key, chosen_parameters, come_in, device, wall_of};
use super::{hash, mutations, pace, queries};
use crate::app::App;
use crate::crypto::{self, AuthKey, Blob, Bytes};
use crate::dms;
use crate::error::{Error, Invalid};
use crate::html;
use crate::http::{Form, Object, Peer, unstored};
use crate::profiles;
use crate::session::{Member, Viewer};
use crate::throttle;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use minijinja::context;
use neospace_dm::Name;
use neospace_dm::keys::{self, Keys, Kind};
use serde::Deserialize;
use serde_json::json;

/// Keys that a device made.
#[derive(Deserialize)]
pub struct NewKeys {
    generation: u32,
    identity: Bytes<32>,
    signing: Bytes<32>,
    signature: Bytes<64>,
    previous_signature: Option<Bytes<64>>,
    wrapped: Blob,
    notebook: Blob,
    notebook_version: i64,
    current: Option<AuthKey>,
}

/// `POST /dm/keys`: puts keys into the log. From the second generation on with the account's auth key as `current`: a
/// borrowed session replaces nobody's keys. The same again is answered the same.
///
/// # Errors
/// [`Error::Invalid`] for what isn't well made; `generation` and `notebook` where another device was quicker; the log-in's
/// for `current`.
pub async fn post_keys(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    Object(new): Object<NewKeys>,
) -> Result<Response, Error> {
    let name: Name = member.name.parse().map_err(Error::internal)?;
    let public = Keys {
        identity: new.identity.0,
        signing: new.signing.0,
    };
    if !keys::verify(&name, new.generation, &public, &new.signature.0) {
        return Err(Error::field(
            "signature",
            "These keys can't be used: the signature isn't theirs over this name and generation, or one of them is no key.",
        ));
    }
    dms::check_wrapped("wrapped", &new.wrapped.0, Kind::Password)?;
    dms::check_notebook(&new.notebook.0)?;
    if new.generation > 1 {
        let current = new
            .current
            .ok_or_else(|| Error::field("current", "New keys in place of others need the password once more."))?;
        prove(&app, &throttle::network(address), &member, &current).await?;
    }
    let generation = new.generation;
    let new = dms::NewKeys {
        signed: dms::Signed {
            name,
            generation,
            keys: public,
            signature: new.signature.0,
            previous_signature: new.previous_signature.map_or([0; 64], |signature| signature.0),
        },
        wrapped: new.wrapped.0,
        notebook: new.notebook.0,
        notebook_version: new.notebook_version,
    };
    let teller = app.clone();
    let index = app
        .db
        .write(move |tx| dms::append(tx, &teller, member.id, &new))
        .await?;
    let body = json!({ "generation": generation, "index": index });
    Ok(unstored((StatusCode::CREATED, Json(body)).into_response()))
}

/// Whether this is a logged-in member's auth key; answers the hash that it was proved against.
pub(super) async fn prove(app: &App, network: &str, member: &Member, current: &AuthKey) -> Result<String, Error> {
    pace::try_log_in(app, network, &member.name)?;
    let known = app
        .db
        .read(|db| queries::credentials(db, &member.name))?
        .ok_or(Error::Unauthorized)?;
    let right = app.hasher.verify(current, Some(&known.auth_hash)).await;
    if !right.map_err(|wait| pace::not_answered(app, network, &member.name, wait))? {
        return Err(Error::field("current", "That is not your password now."));
    }
    pace::came_in(app, network, &member.name);
    Ok(known.auth_hash)
}

/// A recovery code's half that the server keeps.
#[derive(Deserialize)]
pub struct NewCode {
    wrapped: Blob,
    auth: AuthKey,
    current: AuthKey,
}

/// `POST /dm/recovery`: keeps the roots under a recovery code, in place of an earlier one.
///
/// # Errors
/// The log-in's for `current`; [`Error::Conflict`] for an account without keys.
pub async fn set_recovery(
    State(app): State<App>,
    Peer(address): Peer,
    member: Member,
    Object(new): Object<NewCode>,
) -> Result<Response, Error> {
    dms::check_wrapped("wrapped", &new.wrapped.0, Kind::Recovery)?;
    prove(&app, &throttle::network(address), &member, &new.current).await?;
    let code_hash = hash(&app, &new.auth).await?;
    app.db
        .write(move |tx| dms::set_recovery(tx, member.id, &new.wrapped.0, &code_hash))
        .await?;
    Ok(unstored(Json(json!({ "recovery": true })).into_response()))
}

/// `GET /recover`: the page on which a recovery code is typed.
///
/// # Errors
/// The template's.
pub async fn recover_page(State(app): State<App>, viewer: Viewer) -> Result<Response, Error> {
    let page = app.html.render(
        "accounts/recover.html",
        context! { ..super::door::shell(viewer.member.is_some()) },
    )?;
    Ok(html::page(page, StatusCode::OK))
}

/// `POST /recover/open` with `name` and `recovery`, the code's auth key: `{wrapped, generation}`.
///
/// # Errors
/// The same for a wrong code, for a name that nobody has, and for one without a code.
pub async fn open_recovery(State(app): State<App>, Peer(address): Peer, form: Form) -> Result<Response, Error> {
    let (_, roots) = try_code(&app, &throttle::network(address), &form).await?;
    let body = json!({ "wrapped": crypto::Spelled(&roots.wrapped), "generation": roots.generation });
    Ok(unstored(Json(body).into_response()))
}

/// `POST /recover` with `name`, `recovery`, and what a new password made: `auth`, `salt`, `rounds`, `wrapped`. Every session
/// and token ends, and a new session begins.
///
/// # Errors
/// As [`open_recovery`]; [`Error::Invalid`].
pub async fn recover(
    State(app): State<App>,
    Peer(address): Peer,
    headers: HeaderMap,
    form: Form,
) -> Result<Response, Error> {
    let mut wrong = Invalid::default();
    let auth = auth_key(&form, "auth", &mut wrong);
    let parameters = chosen_parameters(&form, &mut wrong);
    let (Some(auth), Some(parameters)) = (auth, parameters) else {
        return Err(Error::Invalid(wrong));
    };
    let wrapped = wrapped(&form)?.ok_or_else(|| Error::field("wrapped", "The keys, wrapped anew, are missing."))?;
    let (name, roots) = try_code(&app, &throttle::network(address), &form).await?;
    let change = mutations::Change {
        user_id: roots.user_id,
        proved: mutations::Proved::Code(roots.hash),
        parameters,
        auth_hash: hash(&app, &auth).await?,
        wrapped: Some(wrapped),
        device: device(&headers),
    };
    let token = app.db.write(move |tx| mutations::change_password(tx, &change)).await?;
    come_in(&app, &headers, &form, &name, &wall_of(&name), &token)
}

/// The wrapped roots in a form, if there are any.
///
/// # Errors
/// [`Error::Invalid`] for what can't be.
pub(super) fn wrapped(form: &Form) -> Result<Option<Vec<u8>>, Error> {
    let Some(text) = form.get("wrapped") else {
        return Ok(None);
    };
    let bytes = Blob::parse(text).map(|blob| blob.0).unwrap_or_default();
    dms::check_wrapped("wrapped", &bytes, Kind::Password)?;
    Ok(Some(bytes))
}

async fn try_code(app: &App, network: &str, form: &Form) -> Result<(String, dms::Roots), Error> {
    let name = crypto::fold_name(form.text("name"));
    let mut wrong = Invalid::default();
    if name.is_empty() {
        wrong.add("name", "Type the name on your wall.");
    }
    let recovery = auth_key(form, "recovery", &mut wrong);
    let (Some(recovery), true) = (recovery, wrong.errors.is_empty()) else {
        return Err(Error::Invalid(wrong));
    };
    let dont_go_together = || Error::field("recovery", "Name and code don't go together. Look at both again.");
    if !profiles::is_name(&name) {
        return Err(dont_go_together());
    }
    pace::try_log_in(app, network, &name)?;
    let known = app.db.read(|db| dms::recovery(db, &name))?;
    // The same work whether there is such a code or not.
    let right = app
        .hasher
        .verify(&recovery, known.as_ref().map(|known| known.hash.as_str()))
        .await;
    let right = right.map_err(|wait| pace::not_answered(app, network, &name, wait))?;
    let roots = known.filter(|_| right).ok_or_else(dont_go_together)?;
    pace::came_in(app, network, &name);
    Ok((name, roots))
}
