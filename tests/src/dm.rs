//! People's devices for direct messages: the program's own client, over a person's HTTP.
//!
//! ```no_run
//! use neospace_tests::Server;
//! let server = Server::builder().start();
//! let (ana, bob) = (server.person("ana"), server.person("bob"));
//! let (mut anas, mut bobs) = (ana.dm(), bob.dm());
//! anas.say(&bobs.name().clone(), "Hello").expect("it is stored");
//! assert_eq!(bobs.texts("ana"), ["Hello"]);
//! ```

use std::ops::{Deref, DerefMut};

use neospace::dm_client::{Answer, Ask, Content, Conversation, Device, Request, Trouble};
use neospace_dm::{
    Alarm, Name,
    thread::{Item, Says, View},
};

use crate::{
    Person,
    person::{PASSWORD, parameters, wrap_key},
};

/// A person's device: a [`Device`] with what tests ask for often.
pub struct Dm {
    /// Whose.
    pub person: Person,
    device: Device,
}

impl Person {
    /// This person's device for direct messages, which comes in with [`PASSWORD`] and makes the first keys where there are
    /// none. They are logged in.
    ///
    /// # Panics
    /// When it can't.
    pub fn dm(&self) -> Dm {
        self.try_dm()
            .unwrap_or_else(|trouble| panic!("{}'s device: {trouble}", self.name))
    }

    /// As [`Person::dm`].
    ///
    /// # Errors
    /// What the device says about the server.
    pub fn try_dm(&self) -> Result<Dm, Trouble> {
        let wrap = wrap_key(&self.name, PASSWORD, &parameters(&self.name));
        Ok(Dm {
            person: self.clone(),
            device: Device::open(self.ask(), &self.dm_name(), &wrap)?,
        })
    }

    /// The person's name, as the protocol has it.
    pub fn dm_name(&self) -> Name {
        self.name.parse().expect("the cast's names are names")
    }

    /// How a device of this person's reaches the server.
    pub fn ask(&self) -> Ask {
        let person = self.clone();
        Box::new(move |Request { method, path, body }| {
            let ask = person.request(method, &path).header("accept", "application/json");
            let ask = match body {
                Content::Nothing => ask,
                Content::Json(json) => ask.body("application/json", json.to_string()),
                Content::Bytes(bytes) => ask.body("application/octet-stream", bytes),
            };
            let answer = ask.try_send().map_err(|error| error.to_string())?;
            Ok(Answer {
                status: answer.status,
                body: answer.body,
            })
        })
    }
}

impl Dm {
    /// The same device after it was switched off and on: with what it kept, and what the server says.
    ///
    /// # Errors
    /// What the device says about the server.
    pub fn again(&self) -> Result<Dm, Trouble> {
        Ok(Dm {
            person: self.person.clone(),
            device: Device::resume(self.person.ask(), self.device.kept().clone())?,
        })
    }

    /// The whole conversation with somebody, as it may be shown.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn view(&mut self, peer: &str) -> View {
        self.whole(peer).1
    }

    /// The whole conversation with somebody, and how it may be shown.
    ///
    /// # Panics
    /// When the server refuses.
    pub fn whole(&mut self, peer: &str) -> (Conversation, View) {
        let peer: Name = peer.parse().expect("the cast's names are names");
        let mut load = || -> Result<_, Trouble> {
            let conversation = self.device.load_all(&peer)?;
            let view = self.device.look(&conversation)?;
            Ok((conversation, view))
        };
        let loaded = load();
        loaded.unwrap_or_else(|trouble| panic!("{} reads {peer}: {trouble}", self.person.name))
    }

    /// The texts of a conversation, in order; what can't be shown is left out.
    pub fn texts(&mut self, peer: &str) -> Vec<String> {
        let texts = self.view(peer).items.into_iter().filter_map(|item| match item.says {
            Says::Text { text, .. } => Some(text),
            _ => None,
        });
        texts.collect()
    }

    /// The item that says this.
    ///
    /// # Panics
    /// When none does.
    pub fn item(&mut self, peer: &str, said: &str) -> Item {
        let view = self.view(peer);
        let says = |item: &&Item| matches!(&item.says, Says::Text { text, .. } if text == said);
        let found = view.items.iter().find(says).cloned();
        found.unwrap_or_else(|| panic!("nobody said {said:?} in {view:#?}"))
    }

    /// Every alarm there is about a conversation, each once.
    pub fn alarms(&mut self, peer: &str) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> = self.view(peer).notices.iter().map(|notice| notice.alarm).collect();
        alarms.sort_unstable();
        alarms.dedup();
        alarms
    }
}

impl Deref for Dm {
    type Target = Device;

    fn deref(&self) -> &Device {
        &self.device
    }
}

impl DerefMut for Dm {
    fn deref_mut(&mut self) -> &mut Device {
        &mut self.device
    }
}
