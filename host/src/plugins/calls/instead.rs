//! What is shown where there is no view to show.

use super::super::view::{self, Returned};
use super::super::{Cost, Installation, Plugin, Shown, ShownState, Standing};
use super::{cost_of, topics};

pub(super) fn tombstone(standing: &Standing, i: &Installation) -> Shown {
    Shown {
        html: said(&standing.words()).into(),
        state: ShownState::Tombstone,
        personal: false,
        expires: None,
        topics: topics(i, false),
        cost: Cost::default(),
    }
}

/// A sticker's view is its picture, which is fetched by itself.
pub(super) fn sticker(plugin: &Plugin, i: &Installation) -> Shown {
    let mut html = format!("<img src=\"/wall/{}/modules/{}/drawing.svg\" alt=\"", i.wall, i.id);
    view::escape(&mut html, &plugin.manifest.name);
    html.push_str("\">");
    Shown {
        html: html.into(),
        state: ShownState::Fresh,
        personal: false,
        expires: None,
        topics: topics(i, false),
        cost: cost_of(plugin, None),
    }
}

/// What stands where a plugin stood that has nothing for walls since its last upgrade.
pub(super) fn wall_less(plugin: &Plugin, i: &Installation) -> Shown {
    let why = format!(
        "{} works in rooms now, and shows nothing on walls.",
        plugin.manifest.name
    );
    Shown {
        html: said(&why).into(),
        state: ShownState::Failed { why },
        personal: false,
        expires: None,
        topics: topics(i, false),
        cost: cost_of(plugin, None),
    }
}

pub(super) fn said(words: &str) -> String {
    let mut html = String::from("<p>");
    view::escape(&mut html, words);
    html.push_str("</p>");
    html
}

/// What was typed, when the plugin can't show its form any more.
pub(super) fn typed_text(returned: &Returned<'_>) -> String {
    let mut html = String::from("<p class=\"refusal\" role=\"alert\">");
    view::escape(&mut html, returned.message);
    html.push_str("</p>");
    for (name, value) in returned
        .typed
        .iter()
        .filter(|(name, value)| name.starts_with("f-") && !value.is_empty())
    {
        html.push_str("<label>");
        view::escape(&mut html, &name[2..]);
        html.push_str("<textarea readonly>\n");
        view::escape(&mut html, value);
        html.push_str("</textarea></label>");
    }
    html
}
