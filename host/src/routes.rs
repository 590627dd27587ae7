//! The table of contents: which address leads to which handler, and who may watch what.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{HeaderMap, StatusCode};

use crate::{
    accounts,
    app::App,
    db::{self, Tx},
    desk, directory, dms,
    error::Error,
    gallery, home,
    http::{Form, Path, Peer, Seat, Site, Wants},
    live, looks, media, moving, neighbourhoods, posts, rooms, scripts,
    session::{Credential, Member, Viewer},
    stickers, system, throttle,
    tokens::Scope,
    walls, welcome,
};

/// A router with [`router`]'s addresses, and which of their pages are answered ahead of it.
pub fn site(router: Router) -> Site {
    Site {
        finished: walls::finished,
        router,
    }
}

/// Every address of the site.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/me", get(home::me))
        .route("/desk", get(desk::show))
        .route("/random", get(home::random_wall))
        .route("/directory", get(directory::show))
        .route("/tags", get(directory::tags))
        .route("/neighbourhoods", get(neighbourhoods::list).post(neighbourhoods::found))
        .route(
            "/neighbourhoods/{slug}",
            get(neighbourhoods::show).post(neighbourhoods::change),
        )
        .route("/neighbourhoods/{slug}/random", get(neighbourhoods::random))
        .route("/neighbourhoods/{slug}/come-in", post(neighbourhoods::come_in))
        .route("/neighbourhoods/{slug}/leave", post(neighbourhoods::leave))
        .route("/neighbourhoods/{slug}/put-out", post(neighbourhoods::put_out))
        .route("/neighbourhoods/{slug}/let-in", post(neighbourhoods::let_in))
        .route("/neighbourhoods/{slug}/close", post(neighbourhoods::close))
        .route("/wall/{user}", get(walls::show))
        .route("/wall/{user}/profile", post(walls::profile))
        .route("/previews/{id}", get(posts::picture_file))
        .route("/public-feed", get(posts::everybody))
        .route("/public-feed.atom", get(posts::everybody_atom))
        .route("/public-feed.json", get(posts::everybody_json))
        .route("/wall/{user}/tags", post(directory::choose))
        .route("/wall/{user}/linked", get(directory::linked))
        .route("/wall/{user}/feed.atom", get(posts::wall_atom))
        .route("/wall/{user}/feed.json", get(posts::wall_json))
        .route("/wall/{user}/posts", get(posts::list).post(posts::publish))
        .route("/wall/{user}/posts/new", get(posts::new_page))
        .route("/wall/{user}/posts/preview", post(posts::look))
        .route("/wall/{user}/posts/drafts", post(posts::save_draft))
        .route("/wall/{user}/posts/drafts/{id}/delete", post(posts::delete_draft))
        .route("/wall/{user}/posts/{id}", get(posts::permalink).post(posts::edit))
        .route("/wall/{user}/posts/{id}/edit", get(posts::edit_page))
        .route("/wall/{user}/posts/{id}/history", get(posts::history))
        .route("/wall/{user}/posts/{id}/move", post(posts::place))
        .route("/wall/{user}/posts/{id}/delete", post(posts::remove))
        .route("/wall/{user}/posts/{id}/restore", post(posts::restore))
        .route("/wall/{user}/remix", get(walls::ask_to_remix).post(walls::take_remix))
        .route("/wall/{user}/look", post(looks::keep))
        .route("/wall/{user}/look/preview", post(looks::preview))
        .route("/wall/{user}/look/css", post(looks::keep_css))
        .route("/wall/{user}/look/start", post(looks::choose))
        .route("/wall/{user}/look/undo", post(looks::undo))
        .route("/wall/{user}/look/redo", post(looks::redo))
        .route("/wall/{user}/look/remixing", post(looks::allow))
        .route("/wall/{user}/look/{file}", get(looks::sheet))
        .route("/looks/{file}", get(looks::all_starts))
        .route("/looks/of/{names}", get(looks::sheet_of))
        .route("/welcome", get(welcome::show).post(welcome::choose))
        .route("/wall/{user}/sound", get(media::show_sound).post(media::set_sound))
        .route("/welcome/number", get(welcome::number_page).post(welcome::number))
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
        .route("/wall/{user}/stickers", get(stickers::list).post(stickers::add))
        .route("/wall/{user}/stickers/allow", post(stickers::allow))
        .route("/wall/{user}/stickers/clear", post(stickers::clear))
        .route("/wall/{user}/stickers/restore", post(stickers::restore))
        .route("/wall/{user}/stickers/{id}", get(stickers::one).post(stickers::change))
        .route("/wall/{user}/stickers/{id}/drawing.svg", get(stickers::drawing))
        .route("/wall/{user}/stickers/{id}/settings", post(stickers::settings))
        .route("/wall/{user}/stickers/{id}/preview", post(stickers::preview))
        .route("/wall/{user}/stickers/{id}/stack", post(stickers::stack))
        .route("/wall/{user}/stickers/{id}/duplicate", post(stickers::duplicate))
        .route("/wall/{user}/stickers/{id}/remove", post(stickers::remove))
        .route("/wall/{user}/scripts", get(scripts::pins).post(scripts::pin))
        .route("/wall/{user}/scripts/{script}/move", post(scripts::move_pin))
        .route("/wall/{user}/scripts/{script}/params", post(scripts::set_pin))
        .route("/wall/{user}/scripts/{script}/remove", post(scripts::unpin))
        .route("/sandbox", get(scripts::list).post(scripts::create))
        .route("/sandbox/mine", get(scripts::mine))
        .route("/sandbox/examples", get(scripts::examples))
        .route("/sandbox/examples/{name}", get(scripts::example))
        .route("/sandbox/examples/{name}/source.js", get(scripts::example_source))
        .route("/sandbox/{id}", get(scripts::show))
        .route("/sandbox/{id}/edit", get(scripts::edit))
        .route("/sandbox/{id}/draft", get(scripts::draft).post(scripts::save))
        .route("/sandbox/{id}/details", post(scripts::details))
        .route("/sandbox/{id}/aside/{n}/delete", post(scripts::drop_aside))
        .route(
            "/sandbox/{id}/versions",
            get(scripts::versions).post(scripts::make_version),
        )
        .route("/sandbox/{id}/versions/{n}", get(scripts::version))
        .route("/sandbox/{id}/versions/{n}/source.js", get(scripts::source))
        .route("/sandbox/{id}/versions/{n}/script.html", get(scripts::standalone))
        .route("/sandbox/{id}/diff", get(scripts::diff))
        .route("/sandbox/{id}/publish", post(scripts::publish))
        .route("/sandbox/{id}/fork", post(scripts::fork))
        .route("/sandbox/{id}/delete", post(scripts::delete))
        .route("/sandbox/{id}/restore", post(scripts::restore))
        .route("/frame/lib/{folder}/{file}", get(scripts::lib))
        .route("/frame/example/{name}", get(scripts::of_example))
        .route("/frame/{script}/{version}", get(scripts::frame))
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
        .route("/library", get(media::library).post(media::take))
        .route("/library/uploads", post(media::begin))
        .route(
            "/library/uploads/{id}",
            get(media::progress).patch(media::append).delete(media::cancel),
        )
        .route("/library/{id}", get(media::item).post(change_media))
        .route("/library/{id}/delete", post(delete_media))
        .route("/library/{id}/discard", post(media::discard))
        .route("/media/{id}/{variant}", get(media_file))
        .route("/keys", get(dms::log))
        .route("/dm", get(dms::list))
        .route("/dm/keys", get(dms::own).post(accounts::post_keys))
        .route("/dm/recovery", post(accounts::set_recovery))
        .route("/dm/notebook", put(dms::notebook))
        .route("/dm/{user}", get(dms::show))
        .route("/dm/{user}/messages", get(dms::messages).post(dms::send))
        .route("/dm/{user}/messages/delete", post(dms::delete))
        .route("/dm/{user}/files", post(dms::upload))
        .route("/dm/{user}/files/{id}", get(dms::download))
        .route("/dm/{user}/read", post(dms::read))
        .route("/dm/{user}/report", post(dms::report))
        .route("/dm/{user}/{measure}", post(dms::measure))
        .route("/recover", get(accounts::recover_page).post(accounts::recover))
        .route("/recover/open", post(accounts::open_recovery))
        .route("/system", get(system::show))
        .route("/metrics", get(system::metrics))
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
        .route("/settings/presence", post(accounts::set_presence))
        .route("/settings/plain", post(accounts::set_plain))
        .route("/settings/password", post(accounts::change_password))
        .route("/settings/password/check", post(accounts::check_password))
        .route("/settings/sessions/revoke", post(accounts::revoke_other_sessions))
        .route("/settings/sessions/{id}/revoke", post(accounts::revoke_session))
        .route("/settings/tokens", post(accounts::make_token))
        .route("/settings/tokens/{id}/revoke", post(accounts::revoke_token))
        .route("/settings/delete", get(accounts::delete_page).post(accounts::delete))
        .route("/settings/along", get(moving::along))
        .route("/settings/export", get(moving::export))
        .route("/settings/import", get(moving::import_page).post(moving::take))
        .route("/settings/import/bring", post(moving::bring))
        .route("/settings/import/discard", post(moving::throw_away))
        .route("/settings/import/rooms", get(moving::said))
        .route("/settings/leaving", get(accounts::leaving_page))
        .route("/settings/leaving/keep", post(accounts::keep))
        .route("/receipt/{code}", get(accounts::receipt_page).post(accounts::receipt))
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
        Some(("room", name)) => {
            viewer.check(Scope::RoomsRead)?;
            rooms::may_watch(app, viewer, name)
        }
        None if topic == posts::FEED => viewer.check(Scope::WallsRead),
        None if topic == system::TOPIC => {
            system::watched(app);
            Ok(())
        }
        _ => Err(Error::NotFound),
    }
}

/// A file is for whoever may see something that uses it.
async fn media_file(
    State(app): State<App>,
    viewer: Viewer,
    Path((id, variant)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let may_see = |viewer: &Viewer, topic: &str| may_watch(&app, viewer, topic).is_ok();
    media::serve(&app, &viewer, (&id, &variant), &headers, may_see).await
}

async fn change_media(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
    form: Form,
) -> Result<Response, Error> {
    media::change(app, member, wants, id, form, show_media_anew).await
}

async fn delete_media(
    State(app): State<App>,
    member: Member,
    wants: Wants,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    media::delete(app, member, wants, id, show_media_anew).await
}

/// Who shows a picture or a sound that is about to be another one, or gone.
fn show_media_anew(app: &App, tx: &Tx, used: &media::Use) -> Result<(), Error> {
    match (&*used.what, used.topic.split_once(':')) {
        ("message", _) => rooms::picture_changed(app, tx, used.thing)?,
        ("post", _) => posts::picture_changed(app, tx, used.thing)?,
        ("sticker", Some(("wall", name))) => stickers::picture_changed(app, tx, name, used.thing),
        (_, Some(("wall", name))) => {
            let (app, name) = (app.clone(), name.to_owned());
            tx.announce(move || walls::everything_changed(&app, &name));
        }
        _ => {}
    }
    Ok(())
}

/// What a socket may do.
const LIVE: live::Table = live::Table {
    authorise: may_watch,
    handle: on_event,
};

/// Which event leads to which handler. (`watch`, `unwatch` and `ping` are the socket's own.)
fn on_event(call: live::Call) -> Result<live::Handling, String> {
    Ok(match &*call.event {
        "join_room" => call.run(Scope::RoomsRead, rooms::on_join),
        "leave_room" => call.run(Scope::RoomsRead, rooms::on_leave),
        "send_message" => call.run(Scope::RoomsWrite, rooms::on_send),
        "edit_message" => call.run(Scope::RoomsWrite, rooms::on_edit),
        "delete_message" => call.run(Scope::RoomsWrite, rooms::on_delete),
        "request_backfill" => call.run(Scope::RoomsRead, rooms::on_backfill),
        "typing" => call.run(Scope::RoomsWrite, rooms::on_typing),
        "stop_typing" => call.run(Scope::RoomsWrite, rooms::on_stop_typing),
        "read_up_to" => call.run(Scope::RoomsWrite, rooms::on_read),
        "gesture" => call.run(Scope::WallsWrite, stickers::on_gesture),
        "cursor" => call.run(Scope::WallsWrite, stickers::on_cursor),
        "dm_send" => call.run(Scope::DmWrite, dms::on_send),
        "dm_typing" => call.run(Scope::DmWrite, dms::on_typing),
        "dm_stop_typing" => call.run(Scope::DmWrite, dms::on_stop_typing),
        "dm_read" => call.run(Scope::DmWrite, dms::on_read),
        _ => {
            return Err(
                "There is no such event. There are watch, unwatch, ping, join_room, leave_room, send_message, \
                 edit_message, delete_message, request_backfill, typing, stop_typing, read_up_to, gesture, cursor, dm_send, \
                 dm_typing, dm_stop_typing and dm_read."
                    .into(),
            );
        }
    })
}

async fn live(
    State(app): State<App>,
    viewer: Viewer,
    Peer(peer): Peer,
    headers: HeaderMap,
    seat: Seat,
    upgrade: live::Upgrade,
) -> Result<Response, Error> {
    let unread = accounts::has_unread(&app, &viewer)?;
    let client = live::Client {
        credential: Credential::of(&app, &headers).filter(|_| viewer.member.is_some()),
        network: throttle::network(peer).into(),
        seat,
        unread,
        cursor: stickers::shows_cursor(&app, &viewer)?,
        viewer,
    };
    live::serve(upgrade, app, client, LIVE)
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
