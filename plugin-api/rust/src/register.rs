//! What a plugin implements, and how it becomes a component.

use serde::de::DeserializeOwned;

use crate::{
    Context, Element, Outcome, Params, Refusal, Reply, RoomContext, Submission, Verdict, View,
    bindings::{actions, commands, filter, sticker, widget, widget::neospace::plugin::types},
    html::p,
};

/// A module on a wall.
pub trait Widget {
    /// The owner's settings: a struct with a field for each `[[settings]]` of the manifest, or
    /// [`NoSettings`](crate::NoSettings). The host fills in the manifest's defaults.
    type Settings: DeserializeOwned;

    /// Makes the view. It may read storage and cannot write it; the host keeps the result and shows it to every viewer
    /// of the same class until something that it was made from changes.
    fn render(ctx: &Context<Self::Settings>) -> View;
}

/// A module that visitors can use.
pub trait Actions: Widget {
    /// Carries out what a visitor pressed or sent. What it writes becomes real, all at once, when it returns `Ok`, and
    /// not at all otherwise.
    fn act(ctx: &Context<Self::Settings>, action: &Submission) -> Result<Outcome, Refusal>;
}

/// A picture, drawn once for its settings and seed.
pub trait Sticker {
    /// The owner's settings, as in [`Widget::Settings`].
    type Settings: DeserializeOwned;

    /// Draws: an [`svg`](crate::svg::svg) element, or a sentence that its owner is shown.
    fn draw(params: &Params<Self::Settings>) -> Result<Element, String>;
}

/// What people call in rooms, such as `/roll 2d6`; the manifest names each under `[[commands]]`.
pub trait Commands {
    /// The operator's settings: a struct with a field for each `[[settings]]` of the manifest, or
    /// [`NoSettings`](crate::NoSettings). The host fills in the manifest's defaults.
    type Settings: DeserializeOwned;

    /// Answers one command: its `name` without the slash, and what was typed behind it. An error is a sentence for the
    /// caller alone that says what is allowed. What it writes to [`shared_storage`](crate::shared_storage) becomes real,
    /// all at once, when it returns `Ok`, and not at all otherwise.
    fn on_command(ctx: &RoomContext<Self::Settings>, name: &str, arguments: &str) -> Result<Reply, String>;
}

/// Who reads what is said in rooms before it is posted.
pub trait Filter {
    /// The operator's settings, as in [`Commands::Settings`].
    type Settings: DeserializeOwned;

    /// Judges one text. When it panics or takes too long, the text is posted as it was, unless the operator said
    /// otherwise.
    fn filter_text(ctx: &RoomContext<Self::Settings>, text: &str) -> Verdict;
}

/// Makes a component of a type: `register!(widget Clock)`, `register!(interactive Guestbook)` for a [`Widget`] with
/// [`Actions`], `register!(sticker Flower)`, `register!(commands Dice)` or `register!(filter WordFilter)`. Once in a crate;
/// one that has something for walls and for rooms names both: `register!(widget Rota, commands Rota)`.
///
/// With `, log_panics` after the name, the message of a panic is written to the log, which needs that capability:
/// `register!(interactive Guestbook, log_panics)`.
#[macro_export]
macro_rules! register {
    (widget $plugin:ident) => {
        $crate::register!(@export $plugin: $crate::Widget, widget::export_widget);
    };
    (interactive $plugin:ident) => {
        $crate::register!(@export $plugin: $crate::Widget, widget::export_widget);
        $crate::register!(@export $plugin: $crate::Actions, actions::export_actions);
    };
    (sticker $plugin:ident) => {
        $crate::register!(@export $plugin: $crate::Sticker, sticker::export_sticker);
    };
    (commands $plugin:ident) => {
        $crate::register!(@export $plugin: $crate::Commands, commands::export_commands);
    };
    (filter $plugin:ident) => {
        $crate::register!(@export $plugin: $crate::Filter, filter::export_filter);
    };
    ($role:ident $plugin:ident, $($more:ident $with:ident),+) => {
        $crate::register!($role $plugin);
        $($crate::register!($more $with);)+
    };
    ($role:ident $plugin:ident, log_panics) => {
        $crate::register!($role $plugin);

        /// Run before the call, as the constructors of C are.
        #[cfg(target_arch = "wasm32")]
        #[unsafe(link_section = ".init_array")]
        #[used]
        static LOG_PANICS: extern "C" fn() = $crate::log::log_panics;
    };
    // Other targets, for which an editor or `cargo build` of a whole workspace compiles, have no linker that takes the
    // exports' names; there the traits are checked, and nothing is exported.
    (@export $plugin:ident: $role:path, $module:ident::$export:ident) => {
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::$module::$export!($plugin with_types_in $crate::bindings::$module);
        #[cfg(not(target_arch = "wasm32"))]
        const _: () = {
            const fn is_registered<T: $role>() {}
            is_registered::<$plugin>()
        };
    };
}

impl<T: Widget> widget::exports::neospace::plugin::widget::Guest for T {
    fn render(ctx: types::Context) -> types::View {
        let view = match Context::read(ctx) {
            Ok(ctx) => T::render(&ctx),
            Err(why) => p().text(why).into(),
        };
        view.flatten()
    }
}

impl<T: Actions> actions::exports::neospace::plugin::actions::Guest for T {
    fn act(ctx: types::Context, action: Submission) -> Result<Outcome, Refusal> {
        T::act(&Context::read(ctx)?, &action)
    }
}

impl<T: Sticker> sticker::exports::neospace::plugin::sticker::Guest for T {
    fn draw(params: sticker::exports::neospace::plugin::sticker::Params) -> Result<types::Drawing, String> {
        Ok(View::from(T::draw(&Params::read(params)?)?).flatten_drawing())
    }
}

impl<T: Commands> commands::exports::neospace::plugin::commands::Guest for T {
    fn on_command(ctx: types::RoomContext, name: String, arguments: String) -> Result<Reply, String> {
        T::on_command(&RoomContext::read(ctx)?, &name, &arguments)
    }
}

impl<T: Filter> filter::exports::neospace::plugin::filter::Guest for T {
    fn filter_text(ctx: types::RoomContext, text: String) -> Verdict {
        match RoomContext::read(ctx) {
            Ok(ctx) => T::filter_text(&ctx, &text),
            // A fault, so that the operator's word on failures holds.
            Err(why) => panic!("{why}"),
        }
    }
}
