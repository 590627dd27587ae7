//! A place with people: a data folder that the product itself has filled, over HTTP.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    client::Client,
    machine::{self, On, Program},
};

/// Members, each with a wall.
pub const MEMBERS: usize = 200;
/// Plugins that are installed.
pub const PLUGINS: usize = 20;
/// The custom section that holds a plugin's manifest.
const MANIFEST: &str = "neospace:manifest";

/// A folder with `neospace.toml`, `plugins/` and `data/`.
pub struct Site {
    folder: TempDir,
    pub members: Vec<Member>,
}

/// A member, signed in.
#[derive(Clone)]
pub struct Member {
    pub name: String,
    /// Their session, as `name=value`.
    pub cookie: String,
}

/// A component with its manifest, as an operator gets it.
#[derive(Clone)]
pub struct Plugin {
    pub id: String,
    pub wasm: Vec<u8>,
    pub grants: Vec<String>,
}

/// The `neospace` that is measured.
pub fn neospace() -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("neospace");
    ensure!(
        path.exists(),
        "{} is missing: run `cargo xtask bench`, which builds it",
        path.display()
    );
    Ok(path)
}

/// The plugins that ship, as built, by id.
pub fn shipped() -> Result<Vec<Plugin>> {
    built("plugins")
}

/// One of `bench/guests/`, as built.
pub fn guest(id: &str) -> Result<Plugin> {
    let guests = built("bench-guests")?;
    guests
        .into_iter()
        .find(|plugin| plugin.id == id)
        .with_context(|| format!("there is no guest {id}"))
}

/// The plugins in that folder of the target directory.
fn built(folder: &str) -> Result<Vec<Plugin>> {
    let folder = std::env::current_exe()?.with_file_name("..").join(folder);
    let mut plugins = BTreeMap::new();
    for file in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = file?.path();
        if path.extension().is_some_and(|ending| ending == "wasm") {
            let plugin = Plugin::read(fs::read(&path)?).with_context(|| path.display().to_string())?;
            plugins.insert(plugin.id.clone(), plugin);
        }
    }
    ensure!(!plugins.is_empty(), "there are no plugins in {}", folder.display());
    Ok(plugins.into_values().collect())
}

impl Plugin {
    /// Looks into a component for its manifest.
    pub fn read(wasm: Vec<u8>) -> Result<Self> {
        let manifest = sections(&wasm)?.into_iter().find_map(|(_, manifest)| manifest);
        let manifest: toml::Table = std::str::from_utf8(manifest.context("it has no manifest")?)?.parse()?;
        let id = manifest
            .get("id")
            .and_then(|id| id.as_str())
            .context("the manifest has no id")?
            .to_owned();
        let capabilities = manifest.get("capabilities").and_then(|table| table.as_table());
        let grants = capabilities
            .into_iter()
            .flat_map(|table| table.keys().cloned())
            .collect();
        Ok(Self { id, wasm, grants })
    }

    /// Whether it draws on a wall, rather than working in rooms: its component exports one of the interfaces that draw.
    pub fn draws(&self) -> bool {
        self.exports(b"neospace:plugin/widget@") || self.draws_stickers()
    }

    /// Whether it draws stickers.
    pub fn draws_stickers(&self) -> bool {
        self.exports(b"neospace:plugin/sticker@")
    }

    fn exports(&self, interface: &[u8]) -> bool {
        self.wasm.windows(interface.len()).any(|bytes| bytes == interface)
    }

    /// The same under another id: other bytes, and for the product another plugin.
    pub fn renamed(&self, id: &str) -> Result<Self> {
        let mut wasm = self.wasm[..8].to_vec();
        let mut manifest = toml::Table::new();
        for (section, found) in sections(&self.wasm)? {
            match found {
                Some(text) => manifest = std::str::from_utf8(text)?.parse()?,
                None => wasm.extend_from_slice(section),
            }
        }
        manifest.insert("id".into(), id.into());
        let mut section = Vec::new();
        leb(MANIFEST.len(), &mut section);
        section.extend_from_slice(MANIFEST.as_bytes());
        section.extend_from_slice(manifest.to_string().as_bytes());
        wasm.push(0);
        leb(section.len(), &mut wasm);
        wasm.extend_from_slice(&section);
        Ok(Self {
            id: id.into(),
            wasm,
            grants: self.grants.clone(),
        })
    }
}

/// The outermost sections of a component, each whole, and beside the manifest's what is in it.
fn sections(wasm: &[u8]) -> Result<Vec<(&[u8], Option<&[u8]>)>> {
    let number = |at: &mut usize| -> Result<usize> {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = *wasm.get(*at).context("the component breaks off")?;
            *at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return Ok(value);
            }
            ensure!(shift < 35, "a number in the component is too long");
        }
    };
    let (mut at, mut all) = (8, Vec::new());
    while let Some(&id) = wasm.get(at) {
        let start = at;
        at += 1;
        let length = number(&mut at)?;
        let end = at + length;
        let section = wasm.get(start..end).context("the component breaks off")?;
        let mut manifest = None;
        if id == 0 {
            let name = number(&mut at)?;
            if wasm.get(at..at + name) == Some(MANIFEST.as_bytes()) {
                manifest = wasm.get(at + name..end);
            }
        }
        all.push((section, manifest));
        at = end;
    }
    Ok(all)
}

fn leb(mut value: usize, into: &mut Vec<u8>) {
    while value >= 0x80 {
        into.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

impl Site {
    /// An empty place with these plugins.
    pub fn empty(plugins: &[Plugin]) -> Result<Self> {
        let folder = tempfile::tempdir_in(crate::scratch()?)?;
        fs::create_dir(folder.path().join("plugins"))?;
        // The load comes from one address; the proxy that stands in front in real life says whose each request is.
        let config = "registration = \"open\"\ntrusted_proxies = [\"127.0.0.1\"]\nlisten = \"127.0.0.1:0\"\n[limits]\nactions = 1000000000\n";
        fs::write(folder.path().join("neospace.toml"), config)?;
        let site = Self {
            folder,
            members: Vec::new(),
        };
        site.install(plugins)?;
        Ok(site)
    }

    /// Adds plugins to the configuration.
    pub fn install(&self, plugins: &[Plugin]) -> Result<()> {
        let file = self.folder().join("neospace.toml");
        let mut config = fs::read_to_string(&file)?;
        for plugin in plugins {
            let sha256: String = Sha256::digest(&plugin.wasm)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            fs::write(self.folder().join(format!("plugins/{}.wasm", plugin.id)), &plugin.wasm)?;
            config += &format!(
                "\n[plugin.{id}]\nsource = \"plugins/{id}.wasm\"\nsha256 = \"{sha256}\"\ngrants = {grants:?}\n",
                id = plugin.id,
                grants = plugin.grants
            );
        }
        Ok(fs::write(&file, config)?)
    }

    /// A place with [`MEMBERS`] members, whose walls have modules, and [`PLUGINS`] plugins: those that ship and draw on
    /// walls, and some of them again under other names.
    pub fn inhabited() -> Result<Self> {
        let mut plugins = shipped()?;
        plugins.retain(Plugin::draws);
        let shipped = plugins.len();
        for n in shipped..PLUGINS {
            let again = &plugins[n % shipped];
            plugins.push(again.renamed(&format!("{}-{n}", again.id))?);
        }
        let mut site = Self::empty(&plugins)?;
        let program = site.start(On::AnyCore)?;
        for n in 0..MEMBERS {
            let member = register(&program, n)?;
            furnish(&program, &plugins, &member, n)?;
            site.members.push(member);
        }
        program.stop()?;
        Ok(site)
    }

    /// Leaves a copy of it in a new folder, and says how to serve it.
    pub fn keep(&self, folder: &Path) -> Result<()> {
        machine::copy(self.folder(), folder)?;
        let member = &self.members[0];
        println!(
            "neospace serve --config {0}/neospace.toml --data {0}/data --listen 127.0.0.1:0",
            folder.display()
        );
        println!("{}: Cookie: {}", member.name, member.cookie);
        Ok(())
    }

    /// The same place, with other limits in its configuration.
    pub fn copy(&self, limits: &str) -> Result<Self> {
        let folder = tempfile::tempdir_in(crate::scratch()?)?;
        for part in ["plugins", "data", "neospace.toml"] {
            machine::copy(&self.folder().join(part), &folder.path().join(part))?;
        }
        let site = Self {
            folder,
            members: self.members.clone(),
        };
        site.limit(limits)?;
        Ok(site)
    }

    /// Adds limits to the configuration.
    pub fn limit(&self, limits: &str) -> Result<()> {
        let file = self.folder().join("neospace.toml");
        let config = fs::read_to_string(&file)?.replace("[limits]\n", &format!("[limits]\n{limits}\n"));
        Ok(fs::write(&file, config)?)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The command that serves it.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(neospace()?);
        command
            .arg("serve")
            .arg("--config")
            .arg(self.folder().join("neospace.toml"))
            .arg("--data")
            .arg(self.folder().join("data"))
            .current_dir(self.folder())
            .env("RUST_LOG", std::env::var("RUST_LOG").unwrap_or_else(|_| "error".into()))
            .stderr(Stdio::inherit());
        Ok(command)
    }

    /// Serves it.
    pub fn start(&self, on: On) -> Result<Program> {
        Program::start(self.command()?, on)
    }
}

/// An address of its own for each member and each try.
pub fn address(n: usize) -> String {
    format!("10.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

/// Makes an account, as the page does. The keys are what a browser would have derived; here they are drawn.
pub fn register(program: &Program, n: usize) -> Result<Member> {
    let mut client = Client::connect(program.address)?;
    client.forwarded_for = Some(address(n));
    let name = format!("member-{n:03}");
    let fields = [
        ("name", name.as_str()),
        ("auth", &secret::<32>()?),
        ("salt", &secret::<16>()?),
        ("rounds", "600000"),
        ("ink", "green"),
    ];
    let answer = client.post("/register", &fields)?.expect(303)?;
    let cookie = answer.header("set-cookie");
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    ensure!(
        cookie.contains('='),
        "registration answered without a session:\n{}",
        answer.head
    );
    Ok(Member { name, cookie })
}

/// Random bytes as they travel.
pub fn secret<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Modules that each wall has besides those that it begins with.
const MORE_MODULES: usize = 3;

/// Puts modules up on a member's wall, all plugins in turn, and says a word about the member.
fn furnish(program: &Program, plugins: &[Plugin], member: &Member, n: usize) -> Result<()> {
    let mut client = Client::connect(program.address)?;
    client.cookie = Some(member.cookie.clone());
    describe(&mut client, member)?;
    for module in 0..MORE_MODULES {
        let plugin = &plugins[(n * MORE_MODULES + module) % plugins.len()];
        put_up(&mut client, member, &plugin.id)?;
    }
    Ok(())
}

/// Says a word about a member.
pub fn describe(client: &mut Client, member: &Member) -> Result<()> {
    let bio = "Collects timetables of ferries that no longer run. Ask me about the one to Gozo; or don't, and look at \
               the pet instead, which has been fed today by three strangers and is content.";
    let profile = format!("/wall/{}/profile", member.name);
    client
        .post(
            &profile,
            &[
                ("bio", bio),
                ("mood", "luminous, slightly singed"),
                ("status", "new here"),
            ],
        )?
        .expect(303)?;
    Ok(())
}

/// Puts one module up; answers its id.
pub fn put_up(client: &mut Client, member: &Member, plugin: &str) -> Result<u64> {
    let answer = client
        .post(&format!("/wall/{}/modules", member.name), &[("plugin", plugin)])?
        .expect(303)?;
    let location = answer.header("location");
    let id = location.rsplit_once("module-").and_then(|(_, id)| id.parse().ok());
    id.with_context(|| format!("a module was put up, but {location} doesn't say which"))
}
