//! What a call is about.

use serde::de::DeserializeOwned;

use crate::{
    Random, ViewerClass,
    bindings::{sticker::exports::neospace::plugin::sticker, widget::neospace::plugin::types},
    time::DateTime,
};

/// What a call of [`Widget`](crate::Widget) or [`Actions`](crate::Actions) is about.
pub struct Context<S> {
    /// The time, Unix milliseconds, UTC. It stands still during a call.
    pub now: u64,
    /// 64 random bits, drawn when the module was put on the wall; the same in every call.
    pub seed: u64,
    /// The owner's local time minus UTC, in minutes, at `now`.
    pub utc_offset_minutes: i16,
    /// The language of the page, a BCP 47 tag such as `en`.
    pub locale: String,
    /// The user name of the wall's owner: their wall is at `/wall/{name}`.
    pub wall: String,
    /// Who looks or acts, as far as every plugin may know it.
    pub viewer: ViewerClass,
    /// The module's width on the wall in cells, 1 to 4.
    pub width: u8,
    /// The module's height on the wall in cells, 1 to 12.
    pub height: u8,
    /// The owner's settings.
    pub settings: S,
}

impl<S> Context<S> {
    /// Whether the wall's owner looks or acts.
    pub fn is_owner(&self) -> bool {
        self.viewer == ViewerClass::Owner
    }

    /// Whether the viewer has no account, or isn't logged in.
    pub fn is_guest(&self) -> bool {
        self.viewer == ViewerClass::Guest
    }

    /// The date and time on the owner's wrist.
    pub fn local_now(&self) -> DateTime {
        self.local(self.now)
    }

    /// A moment, Unix milliseconds, by the owner's clock. The offset is today's: across a change to summer time, other
    /// days are an hour off.
    pub fn local(&self, unix_ms: u64) -> DateTime {
        DateTime::from_unix_ms(unix_ms, self.utc_offset_minutes)
    }

    /// Seconds until the owner's next midnight, 1 to 86,400: how long a view that says "today" holds.
    pub fn seconds_to_midnight(&self) -> u32 {
        86_400 - self.local_now().second_of_day()
    }

    /// Random numbers that are the same in every call to this module.
    pub fn random(&self) -> Random {
        Random::new(self.seed)
    }
}

impl<S: DeserializeOwned> Context<S> {
    pub(crate) fn read(ctx: types::Context) -> Result<Self, String> {
        Ok(Self {
            now: ctx.now,
            seed: ctx.seed,
            utc_offset_minutes: ctx.utc_offset_minutes,
            locale: ctx.locale,
            wall: ctx.wall,
            viewer: ctx.viewer,
            width: ctx.width,
            height: ctx.height,
            settings: read_settings(&ctx.settings)?,
        })
    }
}

/// What a sticker is drawn from. There is no viewer and no time: a picture is the same for everyone.
pub struct Params<S> {
    /// 64 random bits, the same for this sticker for ever.
    pub seed: u64,
    /// The user name of the wall's owner.
    pub wall: String,
    /// The owner's settings.
    pub settings: S,
}

impl<S> Params<S> {
    /// Random numbers that are the same whenever this sticker is drawn.
    pub fn random(&self) -> Random {
        Random::new(self.seed)
    }
}

impl<S: DeserializeOwned> Params<S> {
    pub(crate) fn read(params: sticker::Params) -> Result<Self, String> {
        Ok(Self {
            seed: params.seed,
            wall: params.wall,
            settings: read_settings(&params.settings)?,
        })
    }
}

/// What a call of [`Commands`](crate::Commands) or [`Filter`](crate::Filter) is about. Who speaks is asked for with
/// [`viewer`](crate::viewer).
pub struct RoomContext<S> {
    /// The time, Unix milliseconds, UTC. It stands still during a call.
    pub now: u64,
    /// 64 random bits, drawn by the host for this one call.
    pub seed: u64,
    /// The room's name.
    pub room: String,
    /// The operator's settings.
    pub settings: S,
}

impl<S> RoomContext<S> {
    /// Random numbers that follow from the seed: whoever has the seed can draw them again.
    pub fn random(&self) -> Random {
        Random::new(self.seed)
    }
}

impl<S: DeserializeOwned> RoomContext<S> {
    pub(crate) fn read(ctx: types::RoomContext) -> Result<Self, String> {
        Ok(Self {
            now: ctx.now,
            seed: ctx.seed,
            room: ctx.room,
            settings: read_settings(&ctx.settings)?,
        })
    }
}

/// For a plugin without settings: `type Settings = NoSettings;`.
#[derive(Default)]
pub struct NoSettings;

impl<'de> serde::Deserialize<'de> for NoSettings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// Settings that don't fit are a disagreement of struct and manifest: their author should read why, where it shows.
fn read_settings<S: DeserializeOwned>(json: &str) -> Result<S, String> {
    serde_json::from_str(json).map_err(|why| format!("The settings don't fit what the plugin expects: {why}."))
}
