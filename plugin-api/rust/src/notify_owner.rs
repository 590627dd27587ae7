//! Capability `notify-owner`: a private note to the wall's owner, shown to them alone on their settings page.

use crate::bindings::widget::neospace::plugin::notify_owner;
pub use notify_owner::Error;

/// Leaves a note of at most 500 bytes, kept with the call's other writes; one a call. A refused note is no reason to
/// refuse what the visitor did, so most callers ignore the error.
pub fn send(text: &str) -> Result<(), Error> {
    notify_owner::send(text)
}
