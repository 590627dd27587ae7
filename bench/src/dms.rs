//! Direct messages: how many a second are stored durably and told to both, beside the writer with their rows alone.
//!
//! What is sealed in them is noise: the server can't tell, and sealing would measure the load. Everything that it does
//! look at is in order: keys, log, streams.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use memchr::memmem;
use neospace_dm::{
    Name, b64,
    keys::{Identity, Root},
    log::Head,
    message::{self, Header, Position, SEAL_BYTES},
    sha256,
};
use serde_json::{Value, json};

use crate::{
    client::Client,
    machine::{self, On},
    report::{Bar, Row, median},
    rooms::{JSON, NO_LIMITS, PATIENCE, written},
    site::{Member, Site},
    swarm::Swarm,
    writes::Raw,
};

/// Those who send, each to somebody of their own.
const SENDERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// The size class of a line or two.
const COPY: usize = message::CLASSES[0] + SEAL_BYTES;

/// Somebody with keys.
struct Keyed<'s> {
    member: &'s Member,
    name: Name,
    identity: Identity,
}

impl<'s> Keyed<'s> {
    /// Has the server put a member's first keys into the log.
    fn make(client: &mut Client, member: &'s Member) -> Result<Self> {
        let name: Name = member.name.parse()?;
        let identity = Identity::derive(&Root::fresh(), &name);
        let keys = identity.keys;
        let wrapped = [&[1, 1, 1][..], &[0; 12 + 32 + 16]].concat();
        let body = json!({
            "generation": 1,
            "identity": b64::encode(keys.identity),
            "signing": b64::encode(keys.signing),
            "signature": b64::encode(identity.sign(&name, 1, &keys)),
            "wrapped": b64::encode(wrapped),
            "notebook": b64::encode([1; 1_053]),
            "notebook_version": 1,
        });
        client.cookie = Some(member.cookie.clone());
        client.post_json("/dm/keys", &body.to_string())?.expect(201)?;
        Ok(Self { member, name, identity })
    }
}

/// One who sends, and where their stream stands.
struct Stream {
    header: Header,
    /// Everything of a frame after the header.
    rest: String,
    copies: [[u8; 32]; 2],
}

impl Stream {
    fn begin(from: &Keyed, to: &Keyed, log: Head) -> Self {
        let copies = [[1; COPY], [2; COPY]];
        Self {
            header: Header {
                conversation: message::conversation_id(&from.name, &to.name),
                sender: message::side(&from.name, &to.name),
                counter: 1,
                previous: [0; 32],
                seen: Position::default(),
                log,
                sender_identity: from.identity.keys.identity,
                recipient_identity: to.identity.keys.identity,
                commitment: [3; 32],
            },
            rest: format!(
                "\",\"recipient\":\"{}\",\"sender\":\"{}\",\"with\":\"{}\",\"ref\":",
                b64::encode(copies[0]),
                b64::encode(copies[1]),
                to.name
            ),
            copies: [sha256(&[&copies[0]]), sha256(&[&copies[1]])],
        }
    }

    /// The frame of the next message; its counter is its `ref`.
    fn next(&mut self) -> String {
        let header = self.header.encode();
        let frame = format!(
            "{{\"event\":\"dm_send\",\"header\":\"{}{}{}}}",
            b64::encode(&header),
            self.rest,
            self.header.counter
        );
        self.header.counter += 1;
        self.header.previous = message::hash(&header, &self.copies[0], &self.copies[1]);
        frame
    }
}

/// Measures direct messages a second.
pub fn dm_relay(site: &Site) -> Result<Vec<Row>> {
    let site = site.copy(NO_LIMITS)?;
    let program = site.start(On::OneCore)?;
    machine::pin(machine::cores().1)?;
    let mut client = Client::connect(program.address)?;
    let keyed = site.members[..2 * SENDERS]
        .iter()
        .map(|member| Keyed::make(&mut client, member))
        .collect::<Result<Vec<_>>>()?;
    let log: Value = serde_json::from_str(&client.get_json("/keys?limit=1")?.expect(200)?.text())?;
    let log: Head = serde_json::from_value(log).context("the key log's head")?;
    let (senders, recipients) = keyed.split_at(SENDERS);
    let mut swarm = Swarm::new()?;
    // Both sides listen: a message is relayed when it was told to both.
    for member in senders.iter().chain(recipients) {
        swarm.open(program.address, Some(member.member), JSON, false)?;
    }
    let mut streams: Vec<Stream> = senders
        .iter()
        .zip(recipients)
        .map(|(from, to)| Stream::begin(from, to, log))
        .collect();
    // The first one asks; from then on nothing stands in between.
    relay(&mut swarm, &mut streams, Duration::ZERO)?;
    for (from, to) in senders.iter().zip(recipients) {
        client.cookie = Some(to.member.cookie.clone());
        client
            .post_json(&format!("/dm/{}/accept", from.name), "{}")?
            .expect(200)?;
    }
    let folder = tempfile::tempdir_in(crate::scratch()?)?;
    machine::pin(machine::cores().0)?;
    let raw = Raw::letters(&site.folder().join("data/neospace.db"), folder.path())?;
    machine::pin(machine::cores().1)?;
    let (mut rates, mut baselines, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let before = written(&program)?;
        rates.push(relay(&mut swarm, &mut streams, ROUND)?);
        let after = written(&program)?;
        sizes.push((after.0 - before.0) / (after.1 - before.1).max(1.0));
        baselines.push(raw.run(ROUND)?);
    }
    program.stop()?;
    let note = format!(
        "{SENDERS} senders to as many others, one message of each under way, both listening, {:.1} writes a commit; the baseline is the writer alone with the same rows, with as many callers on the same core",
        median(sizes)
    );
    Ok(vec![Row::new(
        "dm_relay",
        median(rates),
        median(baselines),
        "messages/s",
        Bar::RatioAtLeast(0.6),
        note,
    )])
}

/// Has everybody send one message after another for a while; how many a second both sides were told of.
fn relay(swarm: &mut Swarm, streams: &mut [Stream], lasting: Duration) -> Result<f64> {
    let answered = memmem::Finder::new("\"ref\":");
    let told = memmem::Finder::new("\"dm_message\"");
    let start = Instant::now();
    let (mut sent, mut acknowledged, mut delivered) = (0u64, 0u64, 0u64);
    for (n, stream) in streams.iter_mut().enumerate() {
        swarm.send(n, &stream.next())?;
        sent += 1;
    }
    let (mut heard, mut last) = (Vec::new(), Instant::now());
    while acknowledged < sent || delivered < sent {
        ensure!(
            last.elapsed() < PATIENCE,
            "{sent} messages were sent, {acknowledged} acknowledged, {delivered} told, and then nothing"
        );
        heard.clear();
        let mut refused = None;
        swarm.listen(Duration::from_millis(500), |n, frame| {
            if told.find(frame).is_none() {
                if answered.find(frame).is_some() {
                    refused = Some(String::from_utf8_lossy(frame).into_owned());
                }
            } else if n < SENDERS {
                heard.push(n);
            } else {
                delivered += 1;
            }
        })?;
        ensure!(
            refused.is_none(),
            "a message was refused: {}",
            refused.unwrap_or_default()
        );
        if !heard.is_empty() {
            last = Instant::now();
        }
        acknowledged += heard.len() as u64;
        for &n in &heard {
            if start.elapsed() < lasting {
                swarm.send(n, &streams[n].next())?;
                sent += 1;
            }
        }
    }
    Ok(sent as f64 / start.elapsed().as_secs_f64())
}
