//! Capability `live`: show a change to everyone who has the wall open.

use crate::bindings::widget::neospace::plugin::live;

/// After this call's writes are kept, the module is rendered anew for those who look at it. Without the capability they
/// see the change when they next load the page; the one who acted always sees it.
pub fn refresh() {
    // Denied or called while rendering: either way there is nothing that a plugin could do about it.
    let _ = live::refresh();
}
