//! Archives that tests bring: zip files written byte by byte, so that each byte can lie; and what an honest one holds.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use serde_json::{Value, json};

use crate::{Answer, Person, eventually};

/// What a file says of itself, in its own header or in the directory.
#[derive(Clone, Debug)]
pub struct Head {
    pub name: Vec<u8>,
    pub flags: u16,
    pub method: u16,
    pub crc: u32,
    pub packed: u32,
    pub size: u32,
    pub extra: Vec<u8>,
}

/// A file of a zip.
#[derive(Clone, Debug)]
pub struct File {
    /// What stands before its bytes.
    pub local: Head,
    /// What the directory says; without it the directory doesn't name the file.
    pub central: Option<Head>,
    pub body: Vec<u8>,
    /// What stands behind its bytes: a descriptor, say.
    pub behind: Vec<u8>,
    /// The system that it was made on, and its attributes there.
    pub made_by: u16,
    pub attributes: u32,
    pub comment: Vec<u8>,
    /// Where the directory says that it is, if not where it is.
    pub offset: Option<u32>,
}

/// A zip file.
#[derive(Clone, Debug, Default)]
pub struct Zip {
    pub before: Vec<u8>,
    pub files: Vec<File>,
    /// Between the last file and the directory.
    pub between: Vec<u8>,
    pub comment: Vec<u8>,
    pub after: Vec<u8>,
    /// How many files, how many bytes and where the directory is, as the end says it, if not as it is.
    pub entries: Option<u16>,
    pub directory: Option<u32>,
    pub offset: Option<u32>,
    /// What stands between the directory and the end: zip64's own ends.
    pub zip64: Vec<u8>,
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Bytes packed by DEFLATE.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut to = DeflateEncoder::new(Vec::new(), Compression::best());
    to.write_all(bytes).expect("memory");
    to.finish().expect("memory")
}

impl File {
    /// A file as it is.
    pub fn stored(name: &str, bytes: &[u8]) -> File {
        Self::of(name, 0, bytes.to_vec(), bytes)
    }

    /// A packed file.
    pub fn packed(name: &str, bytes: &[u8]) -> File {
        Self::of(name, 8, deflated(bytes), bytes)
    }

    fn of(name: &str, method: u16, body: Vec<u8>, bytes: &[u8]) -> File {
        let head = Head {
            name: name.into(),
            flags: 0x0800,
            method,
            crc: crc(bytes),
            packed: body.len() as u32,
            size: bytes.len() as u32,
            extra: Vec::new(),
        };
        File {
            local: head.clone(),
            central: Some(head),
            body,
            behind: Vec::new(),
            made_by: 0x0314,
            attributes: 0o100_644 << 16,
            comment: Vec::new(),
            offset: None,
        }
    }

    /// The same, with other words in both of its heads.
    pub fn both(mut self, change: impl Fn(&mut Head)) -> File {
        change(&mut self.local);
        if let Some(central) = &mut self.central {
            change(central);
        }
        self
    }

    /// The same, with other words before its bytes.
    pub fn locally(mut self, change: impl Fn(&mut Head)) -> File {
        change(&mut self.local);
        self
    }

    /// The same, with other words in the directory.
    pub fn centrally(mut self, change: impl Fn(&mut Head)) -> File {
        if let Some(central) = &mut self.central {
            change(central);
        }
        self
    }

    /// The same, with its sums behind its bytes.
    pub fn described(self, change: impl Fn(&mut Head)) -> File {
        let mut said = self.local.clone();
        change(&mut said);
        let mut file = self.both(|head| head.flags |= 8).locally(|head| {
            (head.crc, head.packed, head.size) = (0, 0, 0);
        });
        file.behind = [0x0807_4b50, said.crc, said.packed, said.size]
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        file
    }
}

impl Zip {
    /// One of these files.
    pub fn of(files: impl IntoIterator<Item = File>) -> Zip {
        Zip {
            files: files.into_iter().collect(),
            ..Zip::default()
        }
    }

    /// As it lies on disk.
    pub fn bytes(&self) -> Vec<u8> {
        let mut zip = self.before.clone();
        let mut directory = Vec::new();
        let mut entries = 0_u16;
        for file in &self.files {
            let at = zip.len() as u32;
            let head = |to: &mut Vec<u8>, head: &Head| {
                to.extend(20_u16.to_le_bytes());
                to.extend(head.flags.to_le_bytes());
                to.extend(head.method.to_le_bytes());
                to.extend([0, 0, 0x21, 0x5b]);
                to.extend(head.crc.to_le_bytes());
                to.extend(head.packed.to_le_bytes());
                to.extend(head.size.to_le_bytes());
                to.extend((head.name.len() as u16).to_le_bytes());
                to.extend((head.extra.len() as u16).to_le_bytes());
            };
            zip.extend(b"PK\x03\x04");
            head(&mut zip, &file.local);
            zip.extend(&file.local.name);
            zip.extend(&file.local.extra);
            zip.extend(&file.body);
            zip.extend(&file.behind);
            if let Some(central) = &file.central {
                entries = entries.wrapping_add(1);
                directory.extend(b"PK\x01\x02");
                directory.extend(file.made_by.to_le_bytes());
                head(&mut directory, central);
                directory.extend((file.comment.len() as u16).to_le_bytes());
                directory.extend([0; 4]);
                directory.extend(file.attributes.to_le_bytes());
                directory.extend(file.offset.unwrap_or(at).to_le_bytes());
                directory.extend(&central.name);
                directory.extend(&central.extra);
                directory.extend(&file.comment);
            }
        }
        zip.extend(&self.between);
        let at = zip.len() as u32;
        zip.extend(&directory);
        zip.extend(&self.zip64);
        zip.extend(b"PK\x05\x06\0\0\0\0");
        let entries = self.entries.unwrap_or(entries);
        zip.extend(entries.to_le_bytes());
        zip.extend(entries.to_le_bytes());
        zip.extend(self.directory.unwrap_or(directory.len() as u32).to_le_bytes());
        zip.extend(self.offset.unwrap_or(at).to_le_bytes());
        zip.extend((self.comment.len() as u16).to_le_bytes());
        zip.extend(&self.comment);
        zip.extend(&self.after);
        zip
    }
}

/// What an archive holds: paths, and what lies there.
#[derive(Clone, Debug)]
pub struct Contents(pub Vec<(String, Vec<u8>)>);

impl Contents {
    /// A small archive of ana's, made elsewhere, in which everything is as it should be. `id` stands for the archive.
    pub fn honest(id: u8) -> Contents {
        let id = id_of(id);
        let manifest = json!({
            "format": "neospace-export", "version": 1, "id": id, "member": "ana", "made_at": 1_700_000_000_000_i64,
            "node": "elsewhere", "origin": "https://elsewhere.example", "neospace": "0.1.0",
        });
        let profile = json!({
            "bio": "I live on a boat", "status": "afloat", "mood": "calm", "colour": "blue", "time_zone": "Europe/Lisbon",
            "present": true, "cursor": false, "plain": false, "avatar": null, "banner": null,
        });
        Contents(vec![
            ("neospace.json".into(), manifest.to_string().into()),
            ("data/profile.json".into(), profile.to_string().into()),
            ("data/tags.json".into(), json!({ "tags": ["boats"] }).to_string().into()),
            (
                "data/canvas.json".into(),
                json!({ "visitors": true, "cursors": false }).to_string().into(),
            ),
        ])
        .list("data/posts.jsonl", &[post(1, "A first post")])
        .list("data/stickers.jsonl", &[sticker("🐙")])
    }

    /// The same, with this file instead of the one at its path, or besides.
    pub fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Contents {
        let bytes = bytes.into();
        match self.0.iter_mut().find(|(other, _)| other == path) {
            Some((_, old)) => *old = bytes,
            None => self.0.push((path.to_owned(), bytes)),
        }
        self
    }

    /// The same, with this JSON value.
    pub fn json(self, path: &str, value: &Value) -> Contents {
        self.with(path, value.to_string())
    }

    /// The same, with these values, a line each.
    pub fn list(self, path: &str, values: &[Value]) -> Contents {
        let lines: String = values.iter().map(|value| format!("{value}\n")).collect();
        self.with(path, lines)
    }

    /// The same, with another value in a JSON file: `field` is its name.
    pub fn field(self, path: &str, field: &str, value: Value) -> Contents {
        let (_, old) = self.0.iter().find(|(other, _)| other == path).expect("it is there");
        let mut object: Value = serde_json::from_slice(old).expect("it is JSON");
        object[field] = value;
        self.json(path, &object)
    }

    /// The same, with a picture or a sound in the library.
    pub fn media(self, id: &str, kind: &str, bytes: &[u8]) -> Contents {
        let file = format!("media/{id}-full.bin");
        let line = json!({
            "id": id, "kind": kind, "name": "thing.bin", "alt": "a thing", "transcript": "", "file": file, "created_at": 1_600_000_000_000_i64,
        });
        let mut list = self
            .0
            .iter()
            .find(|(path, _)| path == "data/media.jsonl")
            .map(|(_, list)| list.clone())
            .unwrap_or_default();
        list.extend(format!("{line}\n").into_bytes());
        self.with("data/media.jsonl", list).with(&file, bytes)
    }

    /// As a zip.
    pub fn zip(&self) -> Zip {
        Zip::of(self.0.iter().map(|(path, bytes)| File::packed(path, bytes)))
    }

    /// As it lies on disk.
    pub fn bytes(&self) -> Vec<u8> {
        self.zip().bytes()
    }
}

/// An id of 128 bits that a test can name.
pub fn id_of(n: u8) -> String {
    neospace::crypto::Bytes([n; 16]).to_string()
}

/// A text, as it stands in an archive.
pub fn post(number: i64, body: &str) -> Value {
    json!({
        "post": number, "kind": "text", "title": "", "body": body, "url": "", "pictures": [], "script": null,
        "created_at": 1_600_000_000_000_i64 + number, "edited_at": null, "before": [],
    })
}

/// A sticker, as it stands in an archive.
pub fn sticker(emoji: &str) -> Value {
    json!({
        "kind": "emoji", "emoji": emoji, "media": null, "plugin": null, "settings": null, "seed": null, "x": 1_000, "y": 200, "width": 96,
        "rotation": 12, "alt": "", "by": null, "created_at": 1_600_000_000_000_i64,
    })
}

/// A script, as it stands in an archive.
pub fn script(id: &str, title: &str) -> Value {
    json!({
        "script": id, "mode": "canvas", "title": title, "description": "", "licence": "MIT", "visibility": "public", "published": 1,
        "published_at": 1_600_000_000_000_i64, "listed_at": 1_600_000_000_000_i64, "parent": null, "draft": "// a draft",
        "saved_at": 1_600_000_000_000_i64, "created_at": 1_600_000_000_000_i64, "changed_at": 1_600_000_000_000_i64,
    })
}

/// A version of a script, as it stands in an archive.
pub fn version(id: &str, number: i64, source: &str) -> Value {
    json!({
        "script": id, "number": number, "source": source, "note": "", "library": "", "made_at": 1_600_000_000_000_i64,
        "published_at": 1_600_000_000_000_i64,
    })
}

impl Person {
    /// Sends an archive to be looked through, as a program does.
    pub fn bring_to(&self, archive: &[u8]) -> Answer {
        self.request("POST", "/settings/import")
            .header("accept", "application/json")
            .body("application/zip", archive)
            .send()
    }

    /// What waits, how far it is, and what came.
    pub fn arrival(&self) -> Value {
        self.get_json("/settings/import").expect(200).json()
    }

    /// Has what waits come along, and waits until it is here or refused; answers what is known then.
    #[track_caller]
    pub fn bring(&self, fields: &[(&str, &str)]) -> Value {
        self.post_json("/settings/import/bring", fields).expect(202);
        eventually("it is here, or it isn't", || {
            Some(self.arrival()).filter(|arrival| arrival["state"] != "bringing")
        })
    }

    /// Brings an archive whole.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn brings(&self, archive: &[u8], how: &str) -> Value {
        self.bring_to(archive).expect(201);
        let now = self.bring(&[("how", how)]);
        assert_eq!(now["state"], "none", "{now:#}");
        now
    }
}
