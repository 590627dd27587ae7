//! Edit mode's drawer: what can be put up, one module's settings, one's own profile.

use std::{collections::BTreeMap, sync::Arc};

use base64::Engine;
use minijinja::{Value, context};
use neospace_runner::protocol::Grants;
use serde::Serialize;

use super::{
    MODULES_MOST,
    page::Asked,
    queries::{Module, Wall},
};
use crate::{
    app::{App, now_ms},
    directory,
    error::{Error, Invalid},
    http::Form,
    looks,
    media::{self, Picture},
    plugins::{
        Plugin, Shown, ShownState,
        settings::{FieldError, FormField, complete, form_model, form_model_typed},
    },
    posts,
    profiles::{self, Profile, pictures},
    scripts,
    session::Viewer,
    stickers,
};

/// A form of the drawer that was refused: it comes back as it was typed.
pub enum Refused<'a> {
    Settings { form: &'a Form, errors: &'a [FieldError] },
    Profile { form: &'a Form, errors: &'a Invalid },
}

/// A tab of the drawer that belongs to another slice.
struct Tab {
    /// As the address has it: `?edit=1&tab=…`.
    name: &'static str,
    label: &'static str,
    /// The partial that it shows, which reads `panel`, and `who.name`.
    partial: &'static str,
    /// What `panel` is.
    panel: Panel,
    /// Sheets and modules of `ui/` that the partial needs.
    needs: &'static [&'static str],
}

/// From the viewer, who owns the wall, its owner's profile, and the query of the address.
type Panel = fn(&App, &Viewer, &Profile, &Form) -> Result<Value, Error>;

/// The tabs of other slices, in their order. (`modules` comes before them and `you` after: those are the wall's own.)
const TABS: [Tab; 7] = [
    Tab {
        name: "stickers",
        label: "Stickers",
        partial: "stickers/drawer.html",
        panel: stickers::drawer,
        needs: &["css/media.css", "js/media/field.js", "js/stickers/tray.js"],
    },
    Tab {
        name: "posts",
        label: "Posts",
        partial: "posts/drawer.html",
        panel: posts::drawer,
        needs: &[],
    },
    Tab {
        name: "scripts",
        label: "Scripts",
        partial: "scripts/drawer.html",
        panel: scripts::pins_drawer,
        needs: &[],
    },
    Tab {
        name: "look",
        label: "Look",
        partial: "looks/drawer.html",
        panel: |app, _, owner, asked| looks::drawer(app, owner, asked),
        needs: &["js/looks/editor.js"],
    },
    Tab {
        name: "css",
        label: "CSS",
        partial: "looks/css.html",
        panel: |app, _, owner, asked| looks::css_drawer(app, owner, asked),
        needs: &["js/looks/editor.js"],
    },
    Tab {
        name: "sound",
        label: "Sound",
        partial: "media/drawer.html",
        panel: media::drawer,
        needs: &[
            "css/media.css",
            "js/media/player.js",
            "js/media/field.js",
            "js/media/recorder.js",
        ],
    },
    Tab {
        name: "found",
        label: "Be found",
        partial: "directory/drawer.html",
        panel: directory::drawer,
        needs: &[],
    },
];

/// What `templates/walls/drawer.html` reads.
#[derive(Serialize)]
struct Drawer {
    tab: &'static str,
    /// Name and label of each.
    tabs: Vec<(&'static str, &'static str)>,
    /// The open tab's partial, if it is another slice's.
    partial: &'static str,
    needs: &'static [&'static str],
    q: String,
    full: bool,
    picks: Vec<Pick>,
    set: Option<Set>,
    you: Option<You>,
}

/// A plugin that can be put up.
#[derive(Serialize)]
struct Pick {
    id: Arc<str>,
    name: String,
    summary: String,
}

/// One module's settings.
#[derive(Serialize)]
struct Set {
    id: i64,
    name: String,
    plate: String,
    /// The plugin isn't running: nothing to set.
    inert: bool,
    #[serde(flatten)]
    preview: Preview,
    fields: Vec<FormField>,
    grants: Vec<Grant>,
    error: String,
    width: u8,
    height: u8,
    min_width: u8,
    min_height: u8,
    first: bool,
    last: bool,
}

/// What `templates/walls/preview.html` reads, besides the plugin's `name`.
#[derive(Serialize, Default)]
pub struct Preview {
    preview: String,
    sheet: String,
    sticker: bool,
    note: String,
}

/// A capability, in plain words.
#[derive(Serialize)]
pub struct Grant {
    pub name: &'static str,
    pub label: String,
    pub reason: String,
    pub allowed: bool,
}

#[derive(Serialize)]
struct You {
    bio: String,
    status: String,
    mood: String,
    colour: String,
    time_zone: String,
    colours: Vec<(&'static str, &'static str)>,
    zones: Vec<String>,
    /// For `media/field.html`: avatar and banner.
    pictures: Vec<Value>,
    errors: BTreeMap<String, String>,
}

/// The drawer's context.
///
/// # Errors
/// [`Error::NotFound`] for a module that isn't on this wall.
pub async fn context(
    app: &App,
    viewer: &Viewer,
    wall: &Wall,
    asked: &Asked,
    refused: Option<&Refused<'_>>,
) -> Result<Value, Error> {
    let typed_profile = match refused {
        Some(Refused::Profile { form, errors }) => Some((*form, *errors)),
        _ => None,
    };
    let typed_settings = match refused {
        Some(Refused::Settings { form, errors }) => Some((*form, *errors)),
        _ => None,
    };
    let you = asked.tab == "you" || typed_profile.is_some();
    let open = TABS.iter().find(|tab| !you && tab.name == asked.tab);
    let own = viewer.id() == Some(wall.owner.user_id);
    let set = match asked.module.filter(|_| own) {
        Some(id) => Some(set(app, viewer, wall, id, typed_settings).await?),
        None => None,
    };
    let of_slices = TABS.iter().map(|tab| (tab.name, tab.label));
    let drawer = Drawer {
        tab: match open {
            Some(tab) => tab.name,
            None if you => "you",
            None => "modules",
        },
        tabs: match own {
            true => [("modules", "Modules")]
                .into_iter()
                .chain(of_slices)
                .chain([("you", "You")])
                .collect(),
            // A visitor who may leave a sticker.
            false => of_slices.filter(|(name, _)| *name == asked.tab).collect(),
        },
        partial: open.map_or("", |tab| tab.partial),
        needs: match open {
            Some(tab) => tab.needs,
            None if you => &["css/media.css", "js/media/field.js"],
            None => &[],
        },
        full: wall.modules.len() as i64 >= MODULES_MOST,
        picks: if you || open.is_some() {
            Vec::new()
        } else {
            picks(app, &asked.q)
        },
        set,
        you: you.then(|| self::you(app, &wall.owner, typed_profile)).transpose()?,
        q: asked.q.clone(),
    };
    let panel = match open {
        Some(tab) => (tab.panel)(app, viewer, &wall.owner, &asked.all)?,
        None => Value::UNDEFINED,
    };
    Ok(context! { panel, ..Value::from_serialize(drawer) })
}

fn picks(app: &App, q: &str) -> Vec<Pick> {
    let words: Vec<String> = q.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let pick = |plugin: Arc<Plugin>| Pick {
        id: plugin.manifest.id.as_str().into(),
        name: plugin.manifest.name.clone(),
        summary: plugin.manifest.summary.clone(),
    };
    let fits = |pick: &Pick| {
        let text = format!("{} {}", pick.name, pick.summary).to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let of_walls = app.plugins.list().into_iter().filter(|plugin| plugin.roles.on_walls());
    of_walls.map(pick).filter(fits).collect()
}

async fn set(
    app: &App,
    viewer: &Viewer,
    wall: &Wall,
    id: i64,
    typed: Option<(&Form, &[FieldError])>,
) -> Result<Set, Error> {
    let at = wall
        .modules
        .iter()
        .position(|module| module.id == id)
        .ok_or(Error::NotFound)?;
    let module = &wall.modules[at];
    let mut set = Set {
        id,
        name: module.plugin.to_string(),
        plate: String::new(),
        inert: true,
        preview: Preview::default(),
        fields: Vec::new(),
        grants: Vec::new(),
        error: String::new(),
        width: module.width,
        height: module.height,
        min_width: 1,
        min_height: 1,
        first: at == 0,
        last: at + 1 == wall.modules.len(),
    };
    let standing = app.plugins.standing(&module.plugin);
    let Some(plugin) = standing.ready() else { return Ok(set) };
    let manifest = &plugin.manifest;
    set.inert = false;
    set.name = manifest.name.clone();
    set.plate = manifest.plate.clone().unwrap_or_default();
    (set.min_width, set.min_height) = (manifest.size.min_width, manifest.size.min_height);
    set.preview = preview(app, viewer, &wall.owner, module, plugin).await;
    set.fields = match typed {
        Some((form, errors)) => form_model_typed(&manifest.settings, &form.0, errors),
        None => {
            let values = complete(&manifest.settings, &module.settings);
            form_model(&manifest.settings, &serde_json::from_str(&values).unwrap_or_default())
        }
    };
    let refused = typed.map_or(module.refused, |(form, _)| refusals(plugin, form));
    set.grants = grants(plugin, refused);
    if let Some((_, errors)) = typed {
        set.error = errors
            .iter()
            .find(|e| e.name.is_empty())
            .map(|e| e.message.clone())
            .unwrap_or_default();
    }
    Ok(set)
}

/// What settings look like, before or after they are kept.
pub async fn preview(app: &App, viewer: &Viewer, owner: &Profile, module: &Module, plugin: &Plugin) -> Preview {
    let installation = module.installation(owner, owner.utc_offset_minutes(now_ms()));
    if plugin.roles.sticker {
        return match app.plugins.draw_for_owner(&installation).await {
            Ok(drawn) => Preview {
                preview: base64::engine::general_purpose::STANDARD.encode(&drawn.svg),
                sticker: true,
                ..Preview::default()
            },
            Err(error) => Preview {
                note: error.detail(),
                sticker: true,
                ..Preview::default()
            },
        };
    }
    let shown: Shown = app.plugins.preview(&installation, viewer).await;
    let note = match &shown.state {
        ShownState::Failed { why } => why.clone(),
        _ => String::new(),
    };
    Preview {
        preview: shown.html.to_string(),
        sheet: plugin.sheet().to_owned(),
        sticker: false,
        note,
    }
}

/// Each capability that a plugin has here, and whether the owner lets it.
pub fn grants(plugin: &Plugin, refused: Grants) -> Vec<Grant> {
    let kib = plugin.limits.storage_kib;
    let declared = plugin
        .manifest
        .capabilities
        .iter()
        .filter(|declared| plugin.granted.contains(declared.bit()));
    declared
        .filter_map(|declared| {
            let capability = crate::plugins::grants::named(declared.name)?;
            Some(Grant {
                name: declared.name,
                label: crate::plugins::grants::sentence(capability, kib),
                reason: declared.reason.clone(),
                allowed: !refused.contains(declared.bit()),
            })
        })
        .collect()
}

/// The capabilities of a plugin that a form does not allow: those whose `grant` isn't there.
pub fn refusals(plugin: &Plugin, form: &Form) -> Grants {
    let allowed = |name: &str| form.0.iter().any(|(field, value)| field == "grant" && value == name);
    let refused = plugin
        .manifest
        .capabilities
        .iter()
        .filter(|declared| !allowed(declared.name));
    refused.fold(Grants::default(), |refused, declared| refused.or(declared.bit()))
}

fn you(app: &App, owner: &Profile, typed: Option<(&Form, &Invalid)>) -> Result<You, Error> {
    let value = |field: &str, kept: &str| {
        let typed = typed.and_then(|(form, _)| form.get(field));
        typed.unwrap_or(kept).to_owned()
    };
    let pictures = app.db.read(|db| {
        let kept = profiles::pictures_of(db, owner.user_id)?;
        let field = |name, label, kept: Option<&Picture>, none| {
            let chosen = value(name, kept.map_or("", |picture| &picture.id));
            let error = typed.and_then(|(_, invalid)| invalid.of(name));
            let field = media::field(
                db,
                owner.user_id,
                (name, label),
                "image",
                Some(&*chosen).filter(|id| !id.is_empty()),
            )?;
            Ok::<_, Error>(context! { none, error, ..field })
        };
        Ok(vec![
            field(
                "avatar",
                "Picture of you",
                kept.avatar.as_ref(),
                "The creature that came with your name",
            )?,
            field(
                "banner",
                "Banner",
                kept.banner.as_ref(),
                "The scene that came with your name",
            )?,
        ])
    })?;
    let errors = typed.map(|(_, invalid)| &invalid.errors).into_iter().flatten();
    Ok(You {
        pictures,
        bio: value("bio", &owner.bio),
        status: value("status", &owner.status),
        mood: value("mood", &owner.mood),
        colour: value("colour", &owner.colour),
        time_zone: value("time_zone", &owner.time_zone),
        colours: pictures::COLOURS.to_vec(),
        zones: profiles::time_zones(),
        errors: errors
            .map(|error| (error.field.clone(), error.message.clone()))
            .collect(),
    })
}
