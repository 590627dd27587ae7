//! Views, actions and pictures: from what a slice asks for to what it shows.

mod failed;
mod instead;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use neospace_runner::protocol::{
    Ask, CallLimits, Context, Export, Outcome, Params, RoomContext, Submission, Usage, View, ViewerClass,
};
use quick_cache::Weighter;
use sha2::{Digest as _, Sha256};

use super::imports::Questions;
use super::lanes::{Fault, Finished, OwnedAnswer};
use super::limits::WALL_FUEL_PER_SECOND;
use super::pace::{Breaker, Bucket, Source, Trouble, lock};
use super::registry::Inner;
use super::tokens::{self, Action, Actions, Audience, Rejected};
use super::view::{self, Press, Returned};
use super::{Acted, Cost, Drawn, Installation, Plugin, Plugins, Refused, Shown, ShownState, settings};
use crate::app::now_ms;
use crate::cache::Stamp;
use crate::error::Error;
use crate::session::Viewer;
pub(super) use failed::{Failed, Why};
use instead::{said, sticker, tombstone, typed_text, wall_less};

/// How long a failure is shown before it is tried again, in milliseconds.
const RETRY_MS: i64 = 5_000;
/// Turns at the cache before a view is made outside of it: its topics change faster than it renders.
const TURNS: usize = 4;
/// Actions that wait for those before them on one installation; the next is told to try again.
pub(super) const TURN_WAITERS: usize = 64;
/// How long an action waits for those before it.
pub(super) const TURN_WAIT: Duration = Duration::from_secs(5);
/// Fields of one submission.
const FIELDS_MAX: usize = 100;
/// Bytes of all fields of one submission.
const FIELDS_BYTES: usize = 64 * 1024;
/// Walls whose fuel is remembered, before those that have their fill again are forgotten.
const WALLS_BEFORE_SWEEP: usize = 4_096;
/// Faults of one plugin that are kept.
const FAULTS_KEPT: i64 = 200;

/// Which view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ViewKey {
    installation: i64,
    generation: u64,
    audience: Audience,
    /// Of settings, size, seed, refusals, time zone and locale.
    look: u64,
}

/// A view in memory.
pub(super) struct Made {
    shown: Shown,
    stamp: Stamp,
    made_at: i64,
    /// Viewers of this class see views of their own.
    differs: bool,
}

#[derive(Clone)]
pub(super) struct ByLength;

impl<K> Weighter<K, Arc<Made>> for ByLength {
    fn weight(&self, _: &K, made: &Arc<Made>) -> u64 {
        made.shown.html.len() as u64 + 512
    }
}

impl<K> Weighter<K, Arc<Picture>> for ByLength {
    fn weight(&self, _: &K, picture: &Arc<Picture>) -> u64 {
        picture.0.as_ref().map_or(0, |drawn| drawn.svg.len()) as u64 + 256
    }
}

/// A picture in memory, or why there is none and until when that is believed.
pub(super) struct Picture(Result<Drawn, (Why, i64)>);

impl Made {
    fn is_current(&self, now: i64) -> bool {
        self.shown.expires.is_none_or(|at| now < at) && self.stamp.is_current()
    }
}

/// A call that came to its end, and what was learnt on the way.
pub(super) struct Ended<'c> {
    pub finished: Finished,
    pub questions: Questions<'c>,
}

impl Plugins {
    /// The module's view for this viewer. Never fails: says what to show.
    pub async fn view(&self, i: &Installation, viewer: &Viewer, now_ms: i64) -> Shown {
        let standing = self.standing(&i.plugin);
        let Some(plugin) = standing.ready() else {
            return tombstone(&standing, i);
        };
        if plugin.roles.sticker {
            return sticker(plugin, i);
        }
        if !plugin.roles.widget {
            return wall_less(plugin, i);
        }
        let class = viewer.class(i.owner_id);
        let mut key = ViewKey {
            installation: i.id,
            generation: plugin.generation,
            audience: Audience::Class(class),
            look: look(i),
        };
        for _ in 0..TURNS {
            match self.inner.views.get_value_or_guard_async(&key).await {
                Ok(made) if !made.is_current(now_ms) => {
                    self.inner.views.remove_if(&key, |kept| Arc::ptr_eq(kept, &made));
                }
                Ok(made) if made.differs => {
                    key.audience = viewer.id().map_or(key.audience, Audience::Member);
                }
                Ok(made) => {
                    plugin.stats.note_hit();
                    return made.shown.clone();
                }
                Err(guard) => {
                    let made = match self.render(plugin, i, viewer, now_ms).await {
                        Ok(made) => made,
                        Err(why) if why.gone => return tombstone(&self.standing(&i.plugin), i),
                        Err(why) => self.instead(plugin, i, key.audience, class, viewer, now_ms, why),
                    };
                    let shown = made.shown.clone();
                    let own = ViewKey {
                        audience: view::audience(class, shown.personal, viewer.id()),
                        ..key
                    };
                    let made = Arc::new(made);
                    if own != key {
                        let marker = Made {
                            shown: Shown {
                                html: "".into(),
                                ..shown.clone()
                            },
                            stamp: made.stamp.clone(),
                            made_at: made.made_at,
                            differs: true,
                        };
                        let _unless_removed = guard.insert(Arc::new(marker));
                        self.inner.views.insert(own, made);
                    } else {
                        let _unless_removed = guard.insert(made);
                    }
                    return shown;
                }
            }
        }
        match self.render(plugin, i, viewer, now_ms).await {
            Ok(made) => made.shown,
            Err(why) => self.instead(plugin, i, key.audience, class, viewer, now_ms, why).shown,
        }
    }

    /// The view as it would be with settings that aren't saved: nothing is kept, its forms do nothing.
    pub async fn preview(&self, i: &Installation, viewer: &Viewer) -> Shown {
        let standing = self.standing(&i.plugin);
        let Some(plugin) = standing.ready() else {
            return tombstone(&standing, i);
        };
        if plugin.roles.sticker {
            return sticker(plugin, i);
        }
        if !plugin.roles.widget {
            return wall_less(plugin, i);
        }
        let now = now_ms();
        let rendered = match self.run(plugin, i, viewer, now, &Kind::Render).await {
            Ok(ended) => self.write(plugin, ended, Press::Inert, None),
            Err(failed) => Err(failed),
        };
        let (html, state, cost) = match rendered {
            Ok((html, cost, _)) => (html, ShownState::Fresh, cost),
            Err(failed) => {
                let why = failed.for_owner();
                (said(&why), ShownState::Failed { why }, cost_of(plugin, None))
            }
        };
        Shown {
            html: html.into(),
            state,
            personal: true,
            expires: None,
            topics: topics(i, false),
            cost,
        }
    }

    /// Carries out what somebody pressed. `form` is all that was posted: `token` (the button's, when it has one of its
    /// own, comes last) and the plugin's fields as `f-NAME`.
    ///
    /// # Errors
    /// A plugin that isn't in force, a token that was never ours, a form that is too large.
    pub async fn act(&self, i: &Installation, viewer: &Viewer, form: &[(String, String)]) -> Result<Acted, Error> {
        let standing = self.standing(&i.plugin);
        let Some(plugin) = standing.ready() else {
            return Err(Error::Conflict(standing.words()));
        };
        let now = now_ms();
        let class = viewer.class(i.owner_id);
        let check = |token: &str| self.inner.signer.check(token, i.id, class, viewer.id(), now);
        let tokens = form.iter().filter(|(name, _)| name == "token").take(3);
        let checked: Vec<Result<Action, (Rejected, Option<Action>)>> = tokens.map(|(_, token)| check(token)).collect();
        let actions: Vec<(String, String)> = checked
            .iter()
            .filter_map(|checked| match checked {
                Ok(action) | Err((_, Some(action))) => Some((action.name.clone(), action.payload.clone())),
                Err((_, None)) => None,
            })
            .collect();
        let refuse = async |message: String, field: Option<String>| {
            let returned = Returned {
                message: &message,
                field: field.as_deref(),
                actions: &actions,
                typed: form,
            };
            let shown = self.returned(plugin, i, viewer, now, returned).await;
            Ok(Acted {
                message: None,
                refresh: false,
                refused: Some(Refused { message, field, shown }),
            })
        };
        let action = match checked.into_iter().next_back() {
            Some(Ok(action)) => action,
            None | Some(Err((Rejected::Forged, _))) => return Err(Error::Forbidden(Rejected::Forged.to_string())),
            Some(Err((rejected @ Rejected::OtherInstallation, _))) => {
                return Err(Error::Forbidden(rejected.to_string()));
            }
            Some(Err((rejected, _))) => return refuse(rejected.to_string(), None).await,
        };
        if !plugin.roles.actions {
            return refuse("This plugin takes no actions any more.".into(), None).await;
        }
        let fields: Vec<(&str, &str)> = form
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix("f-")?, value.as_str())))
            .collect();
        if fields.len() > FIELDS_MAX {
            return Err(Error::BadRequest(format!(
                "At most {FIELDS_MAX} fields can be sent to a plugin."
            )));
        }
        if fields
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum::<usize>()
            > FIELDS_BYTES
        {
            return Err(Error::TooLarge { most: FIELDS_BYTES });
        }

        let turn = self.turn(plugin, i);
        let crowd = "Too many people press here at this moment. Nothing was kept: try again.";
        // Each who waits holds one, as the map does.
        if Arc::strong_count(&turn) > TURN_WAITERS + 1 {
            return refuse(crowd.into(), None).await;
        }
        let Ok(_turn) = tokio::time::timeout(TURN_WAIT, turn.lock()).await else {
            return refuse(crowd.into(), None).await;
        };
        let kind = Kind::Act(Submission {
            name: &action.name,
            payload: &action.payload,
            fields,
        });
        let ended = match self.run(plugin, i, viewer, now, &kind).await {
            Ok(ended) => ended,
            Err(failed) => {
                if failed.counts() {
                    self.note_fault(plugin, &kind, kind.source(i, viewer), &failed, now);
                }
                let why = failed.why(plugin, now);
                if why.gone {
                    return Err(Error::Conflict(self.standing(&i.plugin).words()));
                }
                drop(_turn);
                return refuse(format!("{} Nothing was kept.", why.words), None).await;
            }
        };
        let Ended {
            finished,
            mut questions,
        } = ended;
        let Outcome::Acted(acted) = &finished.done().result else {
            return Err(Error::internal("a lane answered an action with something else"));
        };
        match acted {
            Err((message, field)) => {
                let message = clip(message, 500, "That was refused; nothing was kept.");
                let field = field.map(|field| field.strip_prefix("f-").unwrap_or(field)[..].to_owned());
                drop(questions);
                drop(_turn);
                refuse(message, field).await
            }
            Ok(message) => {
                if let Some(error) = questions.trouble.take() {
                    // What it wrote was decided on reads that failed.
                    return Err(error);
                }
                if self.standing(&i.plugin).ready().is_none() {
                    return Err(Error::Conflict(self.standing(&i.plugin).words()));
                }
                let message = message
                    .map(|message| clip(message, 500, ""))
                    .filter(|message| !message.is_empty());
                let leavings = questions.leavings();
                let refresh = leavings.refresh;
                drop(finished);
                leavings.commit(&self.inner.db, i, now).await?;
                if class == ViewerClass::Owner {
                    // What the owner has just taken away must not come back as the last view that worked.
                    self.inner.last_good.retain(|(id, _), _| *id != i.id);
                }
                Ok(Acted {
                    message,
                    refresh,
                    refused: None,
                })
            }
        }
    }

    /// A sticker's picture.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the plugin draws none; [`Error::Unavailable`] when it can't now.
    pub async fn draw(&self, i: &Installation) -> Result<Drawn, Error> {
        self.picture(i).await?.map_err(|why| Error::Unavailable(why.words))
    }

    /// As [`Plugins::draw`], for the owner, who alone is told what the plugin says of their settings.
    ///
    /// # Errors
    /// As [`Plugins::draw`].
    pub async fn draw_for_owner(&self, i: &Installation) -> Result<Drawn, Error> {
        self.picture(i)
            .await?
            .map_err(|why| Error::Unavailable(why.owner.unwrap_or(why.words)))
    }

    async fn picture(&self, i: &Installation) -> Result<Result<Drawn, Why>, Error> {
        let standing = self.standing(&i.plugin);
        let Some(plugin) = standing.ready() else {
            return Err(Error::Unavailable(standing.words()));
        };
        if !plugin.roles.sticker {
            return Err(Error::NotFound);
        }
        let now = now_ms();
        let key = (i.id, plugin.generation, look(i));
        for _ in 0..TURNS {
            match self.inner.pictures.get_value_or_guard_async(&key).await {
                Ok(picture) => match &picture.0 {
                    Ok(drawn) => {
                        plugin.stats.note_hit();
                        return Ok(Ok(drawn.clone()));
                    }
                    Err((why, until)) if now < *until => return Ok(Err(why.clone())),
                    Err(_) => {
                        self.inner.pictures.remove_if(&key, |kept| Arc::ptr_eq(kept, &picture));
                    }
                },
                Err(guard) => {
                    let drawn = self.draw_now(plugin, i, now).await;
                    let until = now + RETRY_MS;
                    let kept = drawn.clone().map_err(|why| (why, until));
                    let _unless_removed = guard.insert(Arc::new(Picture(kept)));
                    return Ok(drawn);
                }
            }
        }
        Ok(self.draw_now(plugin, i, now).await)
    }

    async fn draw_now(&self, plugin: &Arc<Plugin>, i: &Installation, now: i64) -> Result<Drawn, Why> {
        let nobody = Viewer::default();
        let drawn = match self.run(plugin, i, &nobody, now, &Kind::Draw).await {
            Ok(ended) => {
                let Outcome::Drawing(drawing) = &ended.finished.done().result else {
                    return Err(Why::of("The sticker could not be drawn."));
                };
                match drawing {
                    Ok(drawing) => svg(plugin, drawing).map_err(Failed::View),
                    Err(message) => {
                        let words = "This sticker can't be drawn with its present settings.".to_owned();
                        let owner = Some(clip(message, 500, &words));
                        return Err(Why {
                            words,
                            owner,
                            gone: false,
                        });
                    }
                }
            }
            Err(failed) => Err(failed),
        };
        drawn.map_err(|failed| {
            if failed.counts() {
                self.note_fault(plugin, &Kind::Draw, None, &failed, now);
            }
            let why = failed.why(plugin, now);
            Why {
                owner: Some(failed.for_owner()),
                ..why
            }
        })
    }

    /// Renders for the cache.
    async fn render(&self, plugin: &Arc<Plugin>, i: &Installation, viewer: &Viewer, now: i64) -> Result<Made, Why> {
        let class = viewer.class(i.owner_id);
        let (own, shared) = (topics(i, false), topics(i, true));
        let stamp = self.inner.topics.stamp(&own[..]);
        let shared_stamp = self.inner.topics.stamp(&shared[own.len()..]);
        let url = format!("/wall/{}/modules/{}/act", i.wall, i.id);
        let rendered = match self.run(plugin, i, viewer, now, &Kind::Render).await {
            Ok(ended) => {
                let personal = ended.questions.asked_who && class == ViewerClass::Member;
                let read_shared = ended.questions.read_shared();
                let ends = [ended.questions.expires(), max_age(&ended.finished, now)]
                    .into_iter()
                    .flatten()
                    .min();
                let tokens_end = now + i64::from(tokens::LIFETIME_MINUTES) * 60_000 / 2;
                let press = if plugin.roles.actions {
                    Press::Signed(Actions {
                        url: &url,
                        signer: &self.inner.signer,
                        installation: i.id,
                        audience: view::audience(class, personal, viewer.id()),
                        expires: tokens::minutes(now) + tokens::LIFETIME_MINUTES,
                    })
                } else {
                    Press::None
                };
                let expires = if plugin.roles.actions {
                    Some(ends.map_or(tokens_end, |at| at.min(tokens_end)))
                } else {
                    ends
                };
                self.write(plugin, ended, press, None).map(|(html, cost, trouble)| {
                    // A view made from a failed read is shown, but not for long.
                    let expires = if trouble { Some(now + RETRY_MS) } else { expires };
                    let (topics, stamp) = if read_shared {
                        (shared, stamp.and(&shared_stamp))
                    } else {
                        (own, stamp)
                    };
                    let shown = Shown {
                        html: html.into(),
                        state: ShownState::Fresh,
                        personal,
                        expires,
                        topics,
                        cost,
                    };
                    Made {
                        shown,
                        stamp,
                        made_at: now,
                        differs: false,
                    }
                })
            }
            Err(failed) => Err(failed),
        };
        match rendered {
            Ok(made) => {
                let audience = view::audience(class, made.shown.personal, viewer.id());
                let good = Made {
                    shown: made.shown.clone(),
                    stamp: Stamp::default(),
                    made_at: now,
                    differs: false,
                };
                let key = (i.id, audience);
                self.inner.last_good.insert(key, Arc::new(good));
                // Made from what has changed meanwhile, perhaps by the owner who took something away.
                if !made.stamp.is_current() {
                    self.inner.last_good.remove(&key);
                }
                Ok(made)
            }
            Err(failed) => {
                if failed.counts() {
                    self.note_fault(plugin, &Kind::Render, None, &failed, now);
                }
                Err(failed.why(plugin, now))
            }
        }
    }

    /// After a failure: the last view that this audience saw, or a sentence.
    #[expect(clippy::too_many_arguments, reason = "one caller's state, spelt out")]
    fn instead(
        &self,
        plugin: &Plugin,
        i: &Installation,
        audience: Audience,
        class: ViewerClass,
        viewer: &Viewer,
        now: i64,
        why: Why,
    ) -> Made {
        // A member's own, if there is one; else what all of the class saw.
        let own = view::audience(class, class == ViewerClass::Member, viewer.id());
        let good = self
            .inner
            .last_good
            .get(&(i.id, own))
            .or_else(|| self.inner.last_good.get(&(i.id, audience)));
        let cost = cost_of(plugin, None);
        let expires = Some(now + RETRY_MS);
        let own_topics = topics(i, false);
        let stamp = self.inner.topics.stamp(&own_topics[..]);
        let shown = match good {
            Some(good) => Shown {
                state: ShownState::Stale {
                    since_ms: good.made_at,
                    why: why.words,
                },
                expires,
                cost,
                ..good.shown.clone()
            },
            None => Shown {
                html: said(&why.words).into(),
                state: ShownState::Failed { why: why.words },
                personal: false,
                expires,
                topics: own_topics,
                cost,
            },
        };
        Made {
            shown,
            stamp,
            made_at: now,
            differs: false,
        }
    }

    /// The view of an action that was refused, with what was typed.
    async fn returned(
        &self,
        plugin: &Arc<Plugin>,
        i: &Installation,
        viewer: &Viewer,
        now: i64,
        returned: Returned<'_>,
    ) -> Shown {
        let class = viewer.class(i.owner_id);
        let url = format!("/wall/{}/modules/{}/act", i.wall, i.id);
        let rendered = match self.run(plugin, i, viewer, now, &Kind::Render).await {
            Ok(ended) => {
                let personal = ended.questions.asked_who && class == ViewerClass::Member;
                let press = Press::Signed(Actions {
                    url: &url,
                    signer: &self.inner.signer,
                    installation: i.id,
                    audience: view::audience(class, personal, viewer.id()),
                    expires: tokens::minutes(now) + tokens::LIFETIME_MINUTES,
                });
                self.write(plugin, ended, press, Some(returned)).ok()
            }
            Err(_) => None,
        };
        let (html, cost) = match rendered {
            Some((html, cost, _)) => (html, cost),
            None => (typed_text(&returned), cost_of(plugin, None)),
        };
        Shown {
            html: html.into(),
            state: ShownState::Fresh,
            personal: true,
            expires: None,
            topics: topics(i, false),
            cost,
        }
    }

    /// From a rendered tree to HTML; its cost, and whether a read had failed.
    fn write(
        &self,
        plugin: &Plugin,
        ended: Ended<'_>,
        press: Press<'_>,
        returned: Option<Returned<'_>>,
    ) -> Result<(String, Cost, bool), Failed> {
        let Ended { finished, questions } = ended;
        let done = finished.done();
        let Outcome::View(tree) = &done.result else {
            return Err(Failed::Ours("a lane answered a render with something else".into()));
        };
        let mut html = String::new();
        view::write_html(tree, press, returned, &mut html).map_err(|error| Failed::View(*error))?;
        let cost = cost_of(plugin, Some((done.usage, finished.wall)));
        if let Some(error) = &questions.trouble {
            tracing::error!(plugin = &*plugin.id, %error, "a plugin's read failed");
        }
        Ok((html, cost, questions.trouble.is_some()))
    }

    /// Runs one export, if breaker and buckets let it, and notes what it cost.
    pub(super) async fn run<'c>(
        &'c self,
        plugin: &'c Arc<Plugin>,
        i: &'c Installation,
        viewer: &'c Viewer,
        now: i64,
        kind: &Kind<'_>,
    ) -> Result<Ended<'c>, Failed> {
        let source = kind.source(i, viewer);
        if let Some(until) = lock(kind.breaker(plugin)).rests_until(now, source.map(|source| source.place)) {
            return Err(Failed::Resting { until });
        }
        let clock = Instant::now();
        let (bucket, on_a_wall) = (kind.bucket(plugin), !kind.is_in_rooms());
        lock(bucket)
            .ready(clock)
            .map_err(|seconds| Failed::Spent { seconds, wall: false })?;
        if on_a_wall {
            self.inner
                .wall_ready(&i.wall, clock)
                .map_err(|seconds| Failed::Spent { seconds, wall: true })?;
        }

        let inner: &Inner = &self.inner;
        let limits = kind.limits(plugin).0;
        let (questions, called) = self
            .call(plugin, i, viewer, now, kind, &mut |ask, questions| {
                questions.answer(ask)
            })
            .await;
        let spent = match &called {
            Ok(finished) => {
                let usage = finished.done().usage;
                plugin.stats.note_call(usage, finished.wall.as_micros() as u64);
                usage.fuel
            }
            Err(Fault::Failed(_, usage)) => {
                plugin.stats.note_call(*usage, usage.time_us);
                usage.fuel
            }
            // It had the processor for all of its time.
            Err(Fault::Deadline | Fault::Protocol(_)) => limits.fuel,
            Err(Fault::LaneDied | Fault::Stalled | Fault::Busy | Fault::Cancelled | Fault::Load(_)) => 0,
        };
        lock(bucket).spend(spent as f64);
        if on_a_wall {
            inner.wall_spend(&i.wall, spent);
        }
        match called {
            Ok(finished) => Ok(Ended { finished, questions }),
            Err(fault) => Err(Failed::Lane(fault)),
        }
    }

    /// Runs one export, whatever breaker and buckets say. `answer` gets each question, and who knows the answer: the
    /// author's tools listen there.
    pub(crate) async fn call<'c>(
        &'c self,
        plugin: &'c Arc<Plugin>,
        i: &'c Installation,
        viewer: &'c Viewer,
        now: i64,
        kind: &Kind<'_>,
        answer: &mut (dyn FnMut(Ask<'_>, &mut Questions<'c>) -> OwnedAnswer + Send),
    ) -> (Questions<'c>, Result<Finished, Fault>) {
        // The operator's settings were completed when the plugin was loaded.
        let settings: Cow<'_, str> = match kind.is_in_rooms() {
            true => Cow::Borrowed(&i.settings),
            false => settings::complete(&plugin.manifest.settings, &i.settings).into(),
        };
        let context = || Context {
            now: now.max(0) as u64,
            seed: i.seed,
            utc_offset_minutes: i.utc_offset_minutes,
            locale: &i.locale,
            wall: &i.wall,
            viewer: viewer.class(i.owner_id),
            width: i.width,
            height: i.height,
            settings: &settings,
        };
        let room_context = || RoomContext {
            now: now.max(0) as u64,
            seed: i.seed,
            room: &i.wall,
            settings: &settings,
        };
        let (limits, deadline) = kind.limits(plugin);
        let export = match kind {
            Kind::Render => Export::Render(context()),
            Kind::Act(submission) => Export::Act(context(), submission.clone()),
            Kind::Draw => Export::Draw(Params {
                seed: i.seed,
                wall: &i.wall,
                settings: &settings,
            }),
            Kind::Command { name, arguments } => Export::Command {
                context: room_context(),
                name,
                arguments,
            },
            Kind::Filter { text } => Export::Filter {
                context: room_context(),
                text,
            },
        };
        let writes = !export.is_pure();
        let grants = plugin.granted.without(i.refused);
        let inner: &Inner = &self.inner;
        let mut questions = Questions::new(&inner.db, &inner.pseudonyms, plugin, i, viewer, now, writes);
        let mut asked = |ask: Ask<'_>| answer(ask, &mut questions);
        let called = inner
            .lanes
            .call(&plugin.component, grants, limits, deadline, export, &mut asked)
            .await;
        (questions, called)
    }

    /// A plugin's fault: counted, kept for its author and the operator, and at the third it rests, there or everywhere.
    pub(super) fn note_fault(
        &self,
        plugin: &Plugin,
        kind: &Kind<'_>,
        source: Option<Source>,
        failed: &Failed,
        now: i64,
    ) {
        let export = kind.name();
        lock(kind.breaker(plugin)).note(now, source);
        let rests = lock(kind.breaker(plugin)).rests_until(now, source.map(|source| source.place));
        let (kind, detail, fuel) = failed.for_author();
        plugin.stats.note_fault(Trouble {
            at: now,
            what: failed.in_few_words().to_owned(),
        });
        tracing::warn!(
            plugin = &*plugin.id,
            version = plugin.manifest.version,
            export,
            kind,
            fuel,
            rests = rests.is_some(),
            detail = %detail.escape_debug(),
            "a plugin failed"
        );
        let (id, version, hash) = (plugin.id.clone(), plugin.manifest.version.clone(), plugin.sha256);
        let kept = self.inner.db.clone();
        let rows = async move {
            kept.write(move |tx| {
                tx.run(
                    "insert into plugin_faults (plugin, version, sha256, export, kind, detail, fuel, at)
                     values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    rusqlite::params![id, version, hash, export, kind, detail, fuel as i64, now],
                )?;
                tx.run(
                    "delete from plugin_faults
                      where plugin = ?1 and id <= (
                        select id from plugin_faults where plugin = ?1 order by id desc limit 1 offset ?2)",
                    rusqlite::params![id, FAULTS_KEPT],
                )?;
                Ok(())
            })
            .await
        };
        tokio::spawn(async move {
            if let Err(error) = rows.await {
                tracing::error!(%error, "a plugin's fault was not noted");
            }
        });
    }

    /// One action at a time: on an installation, or, where storage is shared, in all of a plugin.
    pub(super) fn turn(&self, plugin: &Plugin, i: &Installation) -> Arc<tokio::sync::Mutex<()>> {
        let shared = plugin
            .granted
            .contains(neospace_runner::protocol::Grants::SHARED_STORAGE);
        let key = if shared {
            Turn::Plugin(plugin.id.clone())
        } else {
            Turn::Installation(i.id)
        };
        let mut turns = lock(&self.inner.turns);
        if turns.len() > WALLS_BEFORE_SWEEP {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        turns.entry(key).or_default().clone()
    }
}

/// Whose actions run one after another.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Turn {
    Installation(i64),
    Plugin(Arc<str>),
}

impl Inner {
    fn wall_ready(&self, wall: &Arc<str>, now: Instant) -> Result<(), u64> {
        let mut walls = lock(&self.walls);
        walls
            .get_mut(wall)
            .map_or(Ok(()), |bucket: &mut Bucket| bucket.ready(now))
    }

    fn wall_spend(&self, wall: &Arc<str>, fuel: u64) {
        let mut walls: std::sync::MutexGuard<'_, HashMap<Arc<str>, Bucket>> = lock(&self.walls);
        if walls.len() > WALLS_BEFORE_SWEEP {
            let now = Instant::now();
            walls.retain(|_, bucket| !bucket.is_full(now));
        }
        walls
            .entry(wall.clone())
            .or_insert_with(|| Bucket::of_fuel(WALL_FUEL_PER_SECOND))
            .spend(fuel as f64);
    }
}

/// Which export, with what only it takes.
pub(crate) enum Kind<'k> {
    Render,
    Draw,
    Act(Submission<'k>),
    /// `name` without the slash.
    Command {
        name: &'k str,
        arguments: &'k str,
    },
    Filter {
        text: &'k str,
    },
}

impl Kind<'_> {
    /// As the contract calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Kind::Render => "render",
            Kind::Draw => "draw",
            Kind::Act(_) => "act",
            Kind::Command { .. } => "on-command",
            Kind::Filter { .. } => "filter-text",
        }
    }

    /// What the call may use up, and its deadline.
    pub(crate) fn limits(&self, plugin: &Plugin) -> (CallLimits, Duration) {
        match self {
            Kind::Act(_) | Kind::Command { .. } => plugin.limits.act(),
            Kind::Render | Kind::Draw => plugin.limits.render(),
            Kind::Filter { .. } => plugin.limits.filter(),
        }
    }

    /// Whether the call comes from a room; `Installation` says its name in place of the wall's then.
    fn is_in_rooms(&self) -> bool {
        matches!(self, Kind::Command { .. } | Kind::Filter { .. })
    }

    /// Whose input may be to blame when it fails. What is shown is the plugin's own doing.
    pub(super) fn source(&self, i: &Installation, viewer: &Viewer) -> Option<Source> {
        let who = viewer.id().unwrap_or(0);
        match self {
            Kind::Render | Kind::Draw => None,
            Kind::Act(_) => Some(Source { place: i.id, who }),
            Kind::Command { .. } | Kind::Filter { .. } => Some(Source { place: who, who }),
        }
    }

    fn breaker<'p>(&self, plugin: &'p Plugin) -> &'p Mutex<Breaker> {
        match self {
            Kind::Render | Kind::Draw | Kind::Act(_) => &plugin.breakers.walls,
            Kind::Command { .. } => &plugin.breakers.commands,
            Kind::Filter { .. } => &plugin.breakers.filter,
        }
    }

    fn bucket<'p>(&self, plugin: &'p Plugin) -> &'p Mutex<Bucket> {
        match self {
            Kind::Filter { .. } => &plugin.filter_bucket,
            _ => &plugin.bucket,
        }
    }
}

fn svg(plugin: &Plugin, drawing: &View<'_>) -> Result<Drawn, view::ViewError> {
    let mut svg = String::new();
    view::write_svg(drawing, plugin.manifest.css.as_deref(), &mut svg).map_err(|error| *error)?;
    let digest = Sha256::digest(svg.as_bytes());
    Ok(Drawn {
        etag: super::hex(&digest[..12]),
        svg: svg.into(),
    })
}

fn max_age(finished: &Finished, now: i64) -> Option<i64> {
    match &finished.done().result {
        // A view can't be younger than a second: it is asked for in whole ones.
        Outcome::View(view) => view
            .max_age_seconds
            .map(|seconds| now + i64::from(seconds.max(1)) * 1_000),
        _ => None,
    }
}

fn cost_of(plugin: &Plugin, call: Option<(Usage, Duration)>) -> Cost {
    let (usage, wall) = call.unwrap_or_default();
    Cost {
        fuel: usage.fuel,
        fuel_limit: plugin.limits.render_fuel,
        time_us: wall.as_micros() as u64,
        last_fault: plugin.stats.last_fault(),
    }
}

/// What a view is made from; with `shared`, the plugin's common storage too, as the last one.
fn topics(i: &Installation, shared: bool) -> Arc<[Arc<str>]> {
    let own = [format!("module:{}", i.id), format!("plugin:{}", i.plugin)];
    own.into_iter()
        .chain(shared.then(|| format!("shared:{}", i.plugin)))
        .map(Arc::from)
        .collect()
}

pub(super) fn clip(text: &str, most: usize, otherwise: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text[..text.floor_char_boundary(most)].to_owned()
    }
}

/// A hash of all that a view is made from besides its topics. Whoever finds two that agree has fooled their own module.
fn look(i: &Installation) -> u64 {
    fn mix(hash: u64, value: u64) -> u64 {
        let product = u128::from(hash ^ value ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0x2d35_8dcc_aa6c_78a5_u64);
        product as u64 ^ (product >> 64) as u64
    }
    let mut hash = mix(i.seed, i.settings.len() as u64);
    for bytes in [i.settings.as_bytes(), i.locale.as_bytes()] {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            hash = mix(
                hash,
                u64::from_le_bytes(chunk.try_into().expect("chunks of eight have eight")),
            );
        }
        let mut last = [0; 8];
        last[..chunks.remainder().len()].copy_from_slice(chunks.remainder());
        hash = mix(hash, u64::from_le_bytes(last));
    }
    let small = [i.width, i.height, i.refused.0, 0];
    mix(
        hash,
        u64::from(u32::from_le_bytes(small)) << 16 | u64::from(i.utc_offset_minutes as u16),
    )
}
