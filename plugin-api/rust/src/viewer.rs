//! Who is looking. A `render` that asks gets a view of its own for each viewer, so ask only where the view differs.

use crate::bindings::widget::neospace::plugin::{viewer as pseudonyms, viewer_name};

/// A name for this viewer that means nothing elsewhere: stable on this installation, unlinkable to any other. `None`
/// for a guest. Needs no grant.
pub fn pseudonym() -> Option<String> {
    pseudonyms::pseudonym()
}

/// The viewer's user name. `None` for a guest, and for everyone when the owner has not granted the capability
/// `viewer-name`.
pub fn name() -> Option<String> {
    viewer_name::get().ok().flatten()
}
