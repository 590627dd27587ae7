//! Page loads at a steady pace, as people make them, and how long each takes.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::{client::Client, machine};

/// Connections that share the pace.
const VISITORS: usize = 4;

/// How long answers took.
#[derive(Clone, Default)]
pub struct Times(Vec<Duration>);

impl Times {
    /// The time that this share of the answers, from 0 to 1, stayed within.
    pub fn quantile(&self, share: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() as f64 * share).ceil() as usize;
        sorted.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub fn add(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    pub fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Asks for `requests` in turn, `per_second` of them, for `duration`. Who is kept waiting is late for the next request,
/// and that counts too: a request's time runs from when it was due.
pub fn visit(address: SocketAddr, requests: &[Vec<u8>], per_second: f64, duration: Duration) -> Result<Times> {
    let every = Duration::from_secs_f64(VISITORS as f64 / per_second);
    let start = Instant::now();
    let visitor = |n: usize| -> Result<Times> {
        machine::pin(machine::cores().1)?;
        let mut client = Client::connect(address)?;
        let mut times = Times::default();
        let mut due = start + every.mul_f64(n as f64 / VISITORS as f64);
        for request in requests.iter().skip(n).cycle() {
            if due >= start + duration {
                break;
            }
            let now = Instant::now();
            // Late because of the answer before: the wait began when it was due. Late because this thread woke up
            // late: that is not the server's.
            let began = if now > due {
                due
            } else {
                thread::sleep(due - now);
                Instant::now()
            };
            let answer = client.exchange(request)?;
            times.push(began.elapsed());
            ensure!(
                answer.status == 200,
                "a page load was answered by {}:\n{}",
                answer.status,
                answer.text()
            );
            due += every;
        }
        Ok(times)
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|n| scope.spawn(move || visitor(n))).collect();
        let mut all = Times::default();
        for visitor in visitors {
            all.add(visitor.join().expect("a visitor does not panic")?);
        }
        Ok(all)
    })
}
