//! Capabilities: their names, what they mean in plain words, and which of them hold.
//!
//! Effective grants = what the component imports ∩ what the manifest declares ∩ what the operator granted ∩ what the
//! member did not refuse. The first three are settled when a plugin is loaded; the last with each call.

use neospace_runner::protocol::{Grants, Inspection};

use super::manifest::Manifest;

/// The one version of the contract that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";
const PACKAGE: &str = "neospace:plugin/";

/// One capability.
pub struct Capability {
    /// In the manifest, the configuration and the contract's interface.
    pub name: &'static str,
    pub bit: Grants,
    /// What it lets a plugin do, as a member reads it: goes after "It may".
    pub words: &'static str,
}

/// Every capability that needs a grant.
pub static CAPABILITIES: &[Capability] = &[
    Capability {
        name: "log",
        bit: Grants::LOG,
        words: "write lines to the operator's log",
    },
    Capability {
        name: "storage",
        bit: Grants::STORAGE,
        words: "keep notes of its own with this module",
    },
    Capability {
        name: "shared-storage",
        bit: Grants::SHARED_STORAGE,
        words: "keep notes shared by all walls that have it",
    },
    Capability {
        name: "viewer-name",
        bit: Grants::VIEWER_NAME,
        words: "know who is looking, by user name",
    },
    Capability {
        name: "live",
        bit: Grants::LIVE,
        words: "show changes at once to everyone who has the wall open",
    },
    Capability {
        name: "notify-owner",
        bit: Grants::NOTIFY_OWNER,
        words: "leave private notices for the wall's owner",
    },
];

/// The capability of this name.
pub fn named(name: &str) -> Option<&'static Capability> {
    CAPABILITIES.iter().find(|capability| capability.name == name)
}

/// The names of a set, in the order of [`CAPABILITIES`].
pub fn names(grants: Grants) -> Vec<&'static str> {
    CAPABILITIES
        .iter()
        .filter(|capability| grants.contains(capability.bit))
        .map(|capability| capability.name)
        .collect()
}

/// The names of all capabilities, for sentences.
pub fn all_names() -> String {
    CAPABILITIES
        .iter()
        .map(|capability| capability.name)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The set of these names, or a sentence about the first that doesn't exist.
pub fn parse<S: AsRef<str>>(list: &[S]) -> Result<Grants, String> {
    list.iter()
        .try_fold(Grants::default(), |grants, name| match named(name.as_ref()) {
            Some(capability) => Ok(grants.or(capability.bit)),
            None => Err(format!(
                "there is no capability `{}`; there are: {}",
                name.as_ref(),
                all_names()
            )),
        })
}

/// What a capability means for this plugin, in a member's words: a whole sentence.
pub fn sentence(capability: &Capability, storage_kib: u32) -> String {
    match capability.bit {
        Grants::STORAGE => format!("Keep up to {storage_kib} KiB of its own notes with this module."),
        Grants::SHARED_STORAGE => format!("Keep up to {storage_kib} KiB of notes shared by all walls that have it."),
        _ => {
            let mut words = capability.words.to_owned();
            words[..1].make_ascii_uppercase();
            words.push('.');
            words
        }
    }
}

/// What a plugin is, by its exports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Exports `sticker`.
    pub sticker: bool,
    /// Exports `widget`.
    pub widget: bool,
    /// Exports `actions`.
    pub actions: bool,
    /// Exports `commands`.
    pub commands: bool,
    /// Exports `filter`.
    pub filter: bool,
}

impl Roles {
    /// Whether members can put it on their walls.
    pub fn on_walls(self) -> bool {
        self.sticker || self.widget
    }

    /// Whether it works in rooms, once for the whole server, with the operator's settings.
    pub fn in_rooms(self) -> bool {
        self.commands || self.filter
    }

    /// What it is, as its author calls it: `interactive widget`, `commands and filter`.
    pub fn kinds(self) -> String {
        let walls = match (self.sticker, self.widget, self.actions) {
            (true, _, _) => Some("sticker"),
            (_, true, true) => Some("interactive widget"),
            (_, true, false) => Some("widget"),
            _ => None,
        };
        let rooms = [self.commands.then_some("commands"), self.filter.then_some("filter")];
        let all: Vec<&str> = walls.into_iter().chain(rooms.into_iter().flatten()).collect();
        all.join(" and ")
    }
}

/// What belongs to a module on a wall, and answers `denied` in a call from a room.
pub const OF_MODULES: Grants = Grants(Grants::STORAGE.0 | Grants::LIVE.0 | Grants::NOTIFY_OWNER.0);

/// What a component asks for, by its imports, whatever its manifest says.
pub fn imported(inspection: &Inspection) -> Result<Grants, String> {
    let mut grants = Grants::default();
    for import in &inspection.imports {
        // The inert WASI subset, which the lane links or refuses.
        let Some(rest) = import.strip_prefix(PACKAGE) else {
            continue;
        };
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        if version != CONTRACT_VERSION {
            return Err(format!(
                "it was built for version {version} of the contract ({import}); this server speaks {CONTRACT_VERSION}"
            ));
        }
        if let Some(capability) = named(interface) {
            grants = grants.or(capability.bit);
        } else if !matches!(interface, "viewer" | "types" | "storage-types") {
            return Err(format!(
                "it imports `{import}`, which doesn't exist; capabilities are: {}",
                all_names()
            ));
        }
    }
    Ok(grants)
}

/// The roles of a component; one without any is refused.
pub fn roles(inspection: &Inspection) -> Result<Roles, String> {
    let exports = |name: &str| {
        inspection
            .exports
            .iter()
            .any(|e| *e == format!("{PACKAGE}{name}@{CONTRACT_VERSION}"))
    };
    let roles = Roles {
        sticker: exports("sticker"),
        widget: exports("widget"),
        actions: exports("actions"),
        commands: exports("commands"),
        filter: exports("filter"),
    };
    if !roles.on_walls() && !roles.in_rooms() {
        return Err(format!(
            "it exports none of the interfaces `sticker`, `widget`, `commands` and `filter` of `{PACKAGE}…@{CONTRACT_VERSION}`, \
             so there is nothing to show and nothing to call"
        ));
    }
    if roles.sticker && roles.widget {
        return Err("it exports both `sticker` and `widget`; a plugin is one of them".to_owned());
    }
    if roles.actions && !roles.widget {
        return Err("it exports `actions` without `widget`; actions belong to a widget".to_owned());
    }
    Ok(roles)
}

/// Whether a manifest says of a component what it is: commands where it answers some, and nothing of walls without one.
///
/// # Errors
/// What doesn't go together, and what would.
pub fn fits(roles: Roles, inspection: &Inspection, manifest: &Manifest) -> Result<(), String> {
    match (roles.commands, manifest.commands.is_empty()) {
        (true, true) => {
            return Err(
                "it exports `commands`, and its manifest names none: say what it answers under [[commands]]".to_owned(),
            );
        }
        (false, false) => {
            return Err(format!(
                "its manifest names the command /{}, and it exports no `{PACKAGE}commands@{CONTRACT_VERSION}`",
                manifest.commands[0].name
            ));
        }
        _ => {}
    }
    let of_modules = imported(inspection)?.and(OF_MODULES);
    if !roles.on_walls() && of_modules != Grants::default() {
        return Err(format!(
            "it uses {}, which belongs to modules on walls, and it is a plugin of rooms; what is to last goes into \
             shared-storage",
            names(of_modules).join(" and ")
        ));
    }
    Ok(())
}

/// What the operator has to know before a plugin loads: what it asks for and may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Imports ∩ manifest.
    pub wanted: Grants,
    /// Of these, those without which the manifest says it can't work.
    pub needed: Grants,
}

/// What a component asks for, checked against its manifest: an import that the manifest doesn't explain is refused.
pub fn asked(inspection: &Inspection, manifest: &Manifest) -> Result<Asked, String> {
    let imported = imported(inspection)?;
    let declared = manifest
        .capabilities
        .iter()
        .fold(Grants::default(), |all, c| all.or(c.bit()));
    let silent = imported.without(declared);
    if silent != Grants::default() {
        let names = names(silent).join(", ");
        return Err(format!(
            "it uses {names} without giving a reason under [capabilities] in plugin.toml"
        ));
    }
    let optional = manifest
        .capabilities
        .iter()
        .filter(|c| c.optional)
        .fold(Grants::default(), |all, c| all.or(c.bit()));
    Ok(Asked {
        wanted: imported,
        needed: imported.without(optional),
    })
}

/// What holds under the operator's grants; or, when something it can't do without is missing, the sentence that says so.
pub fn granted(asked: Asked, operator: Grants) -> Result<Grants, String> {
    let missing = asked.needed.without(operator);
    if missing == Grants::default() {
        return Ok(asked.wanted.and(operator));
    }
    let names = names(missing);
    let list = names
        .iter()
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ");
    Err(format!(
        "it needs {}, not granted: add {list} to its `grants`",
        names.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(imports: &[&str], exports: &[&str]) -> Inspection {
        let full = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("{PACKAGE}{name}@{CONTRACT_VERSION}"))
                .collect()
        };
        Inspection {
            imports: full(imports),
            exports: full(exports),
        }
    }

    fn manifest(capabilities: &str) -> Manifest {
        let text = format!(
            "id=\"poll\"\nname=\"Poll\"\nversion=\"1.0.0\"\nsummary=\"Ask.\"\nlicense=\"MIT\"\n[capabilities]\n{capabilities}"
        );
        Manifest::parse(&text, true).expect("a small manifest")
    }

    #[test]
    fn a_capability_holds_only_when_everyone_agrees() {
        let manifest =
            manifest("storage = \"Votes.\"\nviewer-name = { reason = \"Names.\", optional = true }\nlive = \"Bars.\"");
        let asked = asked(
            &component(&["types", "viewer", "storage", "viewer-name"], &["widget"]),
            &manifest,
        )
        .unwrap();
        assert_eq!(
            names(asked.wanted),
            ["storage", "viewer-name"],
            "what isn't imported isn't asked for"
        );
        assert_eq!(names(asked.needed), ["storage"]);
        assert_eq!(
            granted(asked, parse(&["storage", "live"]).unwrap()),
            Ok(Grants::STORAGE)
        );
        assert_eq!(
            granted(asked, parse(&["storage", "viewer-name"]).unwrap()),
            Ok(Grants::STORAGE.or(Grants::VIEWER_NAME))
        );
        let refusal = granted(asked, Grants::LIVE).unwrap_err();
        assert!(refusal.contains("storage"), "{refusal}");
    }

    #[test]
    fn an_import_that_the_manifest_hides_is_refused() {
        let refusal = asked(
            &component(&["storage", "notify-owner"], &["widget"]),
            &manifest("storage = \"Votes.\""),
        )
        .unwrap_err();
        assert!(
            refusal.contains("notify-owner") && !refusal.contains("storage,"),
            "{refusal}"
        );
    }

    #[test]
    fn a_plugin_of_rooms_says_what_it_answers_and_has_nothing_of_walls() {
        let dice = |more: &str| {
            let text =
                format!("id=\"dice\"\nname=\"Dice\"\nversion=\"1.0.0\"\nsummary=\"Roll.\"\nlicense=\"MIT\"\n{more}");
            Manifest::parse(&text, true).expect("a small manifest")
        };
        let roll = dice("[[commands]]\nname=\"roll\"\nusage=\"/roll 2d6\"\nsummary=\"Rolls.\"");
        let check = |imports: &[&str], exports: &[&str], manifest: &Manifest| {
            let component = component(imports, exports);
            fits(roles(&component).unwrap(), &component, manifest)
        };
        assert_eq!(check(&["viewer", "shared-storage"], &["commands"], &roll), Ok(()));
        assert!(
            check(&[], &["commands"], &dice(""))
                .unwrap_err()
                .contains("[[commands]]")
        );
        assert!(check(&[], &["widget"], &roll).unwrap_err().contains("/roll"));
        assert!(
            check(&["storage"], &["commands"], &roll)
                .unwrap_err()
                .contains("shared-storage")
        );
        assert_eq!(check(&["storage"], &["commands", "widget"], &roll), Ok(()));
    }

    #[test]
    fn what_the_contract_lacks_is_refused() {
        assert!(imported(&component(&["filesystem"], &[])).is_err());
        let other = Inspection {
            imports: vec!["neospace:plugin/storage@9.0.0".into()],
            exports: vec![],
        };
        assert!(imported(&other).unwrap_err().contains("9.0.0"));
        assert!(roles(&component(&[], &[])).is_err());
        assert!(roles(&component(&[], &["sticker", "widget"])).is_err());
        assert!(roles(&component(&[], &["actions"])).is_err());
        assert_eq!(
            roles(&component(&[], &["widget", "actions"])),
            Ok(Roles {
                sticker: false,
                widget: true,
                actions: true,
                ..Roles::default()
            })
        );
        assert!(roles(&component(&[], &["filter"])).is_ok_and(|roles| roles.in_rooms() && !roles.on_walls()));
        assert!(parse(&["storage", "root"]).unwrap_err().contains("root"));
    }
}
