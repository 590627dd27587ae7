//! What a plugin implements, and how it becomes a component.

use serde::de::DeserializeOwned;

use crate::{
    Context, Element, Outcome, Params, Refusal, Submission, View,
    bindings::{actions, sticker, widget, widget::neospace::plugin::types},
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

/// Makes a component of a type: `register!(widget Clock)`, `register!(interactive Guestbook)` for a [`Widget`] with
/// [`Actions`], or `register!(sticker Flower)`. Once in a crate.
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
