//! Capability `log`: lines for the author and the operator, at most 4 KiB a second; each is cut at 1,024 bytes.

use std::panic;

use crate::bindings::widget::neospace::plugin::log::{Level, write};

/// For whoever looks closely.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// What happened.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// What looks wrong.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// What went wrong.
pub fn error(message: &str) {
    write(Level::Error, message);
}

/// What `register!(…, log_panics)` runs before every call.
#[doc(hidden)]
pub extern "C" fn log_panics() {
    panic::set_hook(Box::new(|info| error(&info.to_string())));
}
