//! The table of contents: which address leads to which handler, and who may watch what.

use axum::{
    Json, Router,
    extract::{State, ws::WebSocketUpgrade},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};

use crate::{
    accounts,
    app::App,
    db, desk, directory,
    error::Error,
    gallery, home,
    http::{Path, Seat},
    live, rooms,
    session::Viewer,
    tokens::Scope,
    walls,
};

/// Every address of the site.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/me", get(home::me))
        .route("/desk", get(desk::show))
        .route("/random", get(home::random_wall))
        .route("/directory", get(directory::show))
        .route("/wall/{user}", get(walls::show))
        .route("/wall/{user}/profile", post(walls::profile))
        .route("/wall/{user}/modules", post(walls::add))
        .route("/wall/{user}/modules/{id}", get(walls::module))
        .route("/wall/{user}/modules/{id}/drawing.svg", get(walls::drawing))
        .route("/wall/{user}/modules/{id}/act", post(walls::act))
        .route("/wall/{user}/modules/{id}/move", post(walls::place))
        .route("/wall/{user}/modules/{id}/size", post(walls::size))
        .route("/wall/{user}/modules/{id}/settings", post(walls::settings))
        .route("/wall/{user}/modules/{id}/preview", post(walls::preview))
        .route("/wall/{user}/modules/{id}/remove", post(walls::remove))
        .route("/wall/{user}/modules/{id}/restore", post(walls::restore))
        .route("/plugins", get(gallery::list))
        .route("/plugins/{id}", get(gallery::show))
        .route("/plugins/{id}/{file}", get(gallery::file))
        .route("/rooms", get(rooms::list).post(rooms::create))
        .route("/rooms/search", get(rooms::search))
        .route("/rooms/{room}", get(rooms::show))
        .route("/rooms/{room}/join", post(rooms::join))
        .route("/rooms/{room}/leave", post(rooms::leave))
        .route("/rooms/{room}/read", post(rooms::read))
        .route("/rooms/{room}/messages", post(rooms::send))
        .route("/rooms/{room}/messages/{id}", get(rooms::permalink).post(rooms::edit))
        .route("/rooms/{room}/messages/{id}/delete", post(rooms::delete))
        .route("/rooms/{room}/people", get(rooms::people))
        .route("/rooms/{room}/log", get(rooms::log))
        .route("/rooms/{room}/topic", post(rooms::set_topic))
        .route("/rooms/{room}/invite", post(rooms::invite))
        .route("/rooms/{room}/mute", post(rooms::mute))
        .route("/rooms/{room}/unmute", post(rooms::unmute))
        .route("/rooms/{room}/kick", post(rooms::kick))
        .route("/rooms/{room}/ban", post(rooms::ban))
        .route("/rooms/{room}/unban", post(rooms::unban))
        .route("/live", get(live))
        .route("/health", get(health))
        .route(
            "/register",
            get(accounts::register_page).post(accounts::register_member),
        )
        .route("/login", get(accounts::log_in_page).post(accounts::log_in))
        .route("/login/parameters", get(accounts::parameters))
        .route("/logout", get(accounts::log_out_page).post(accounts::log_out))
        .route("/settings", get(accounts::settings_page))
        .route("/settings/password", post(accounts::change_password))
        .route("/settings/sessions/revoke", post(accounts::revoke_other_sessions))
        .route("/settings/sessions/{id}/revoke", post(accounts::revoke_session))
        .route("/settings/tokens", post(accounts::make_token))
        .route("/settings/tokens/{id}/revoke", post(accounts::revoke_token))
        .route("/settings/notices", post(accounts::notices))
        .route("/settings/notices/{id}", post(accounts::notice))
        .route("/ui/{hash}/{*path}", get(ui))
        .route("/static/{hash}/{*path}", get(fixed))
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .with_state(app)
}

/// Which topics there are, and for whom.
fn may_watch(app: &App, viewer: &Viewer, topic: &str) -> Result<(), Error> {
    match topic.split_once(':') {
        Some(("wall", name)) => {
            viewer.check(Scope::WallsRead)?;
            walls::may_watch(app, name)
        }
        _ => Err(Error::NotFound),
    }
}

async fn live(
    State(app): State<App>,
    viewer: Viewer,
    headers: HeaderMap,
    seat: Seat,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Error> {
    let upgrade = upgrade.map_err(|_| Error::BadRequest("This address speaks WebSocket only.".into()))?;
    let unread = accounts::has_unread(&app, &viewer)?;
    live::serve(upgrade, app, viewer, &headers, seat, unread, may_watch)
}

async fn ui(
    State(app): State<App>,
    Path((hash, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app.html.serve("ui", &hash, &path, &headers)
}

async fn fixed(
    State(app): State<App>,
    Path((hash, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    app.html.serve("static", &hash, &path, &headers)
}

/// For monitoring: 200 while the database reads, 503 when it doesn't.
async fn health(State(app): State<App>) -> Response {
    let reads = app.db.read(|db| db.one("select 1", [], |row| row.get::<_, i64>(0)));
    let (status, word) = match reads {
        Ok(_) => (StatusCode::OK, "ok"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database can't be read"),
    };
    let body = serde_json::json!({
        "status": word,
        "version": env!("CARGO_PKG_VERSION"),
        "schema": db::schema_version(),
        "uptime_seconds": app.started.elapsed().as_secs(),
    });
    (status, [("cache-control", "no-store")], Json(body)).into_response()
}
