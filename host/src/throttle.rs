//! Slows down who tries too often, and never shuts anybody out.
//!
//! Each *pace* allows a number of tries at once; after those, every further one makes the wait before the next twice as
//! long, up to a limit. A try that comes too early is refused with the seconds that are left, and does not make the wait
//! longer. What is remembered fades by halves. All of it lives in bounded memory and is gone after a restart.

use quick_cache::unsync::Cache;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How many are remembered; the least used are forgotten first.
const REMEMBERED: usize = 65_536;

/// How often one kind of thing may be tried.
#[derive(Debug)]
pub struct Pace {
    /// What is tried, and by whom it is counted; tells the paces apart.
    pub name: &'static str,
    /// Tries without any wait.
    pub free: u32,
    /// The wait after the first try beyond those; doubles from there.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
    /// In how much quiet half of the tries is forgotten.
    pub fade: Duration,
}

/// The tries of everybody.
pub struct Throttle(Mutex<Cache<String, Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    count: u32,
    last: Instant,
    next: Instant,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle(Mutex::new(Cache::new(REMEMBERED)))
    }
}

impl Throttle {
    /// Counts a try on every one of `on`, each a pace and whom it is counted for, if none of them makes it wait. Else
    /// counts none, and answers the longest of the waits in whole seconds, at least 1.
    pub fn attempt(&self, now: Instant, on: &[(&Pace, &str)]) -> Result<(), u64> {
        let mut all = self.0.lock().expect("no holder of this lock can panic");
        let tries: Vec<Tries> = on.iter().map(|(pace, who)| faded(&all, pace, who, now)).collect();
        let wait = tries
            .iter()
            .map(|t| t.next.saturating_duration_since(now))
            .max()
            .unwrap_or_default();
        if !wait.is_zero() {
            return Err(wait.as_secs() + u64::from(wait.subsec_nanos() > 0));
        }
        for ((pace, who), before) in on.iter().zip(tries) {
            let count = before.count.saturating_add(1);
            all.insert(
                key(pace, who),
                Tries {
                    count,
                    last: now,
                    next: now + pace.wait_after(count),
                },
            );
        }
        Ok(())
    }

    /// How many tries are remembered.
    pub fn tries(&self, now: Instant, pace: &Pace, who: &str) -> u32 {
        faded(
            &self.0.lock().expect("no holder of this lock can panic"),
            pace,
            who,
            now,
        )
        .count
    }

    /// Takes back a try that turned out to be right.
    pub fn take_back(&self, now: Instant, pace: &Pace, who: &str) {
        let mut all = self.0.lock().expect("no holder of this lock can panic");
        let count = faded(&all, pace, who, now).count.saturating_sub(1);
        all.insert(
            key(pace, who),
            Tries {
                count,
                last: now,
                next: now,
            },
        );
    }

    /// Forgets all tries.
    pub fn forget(&self, pace: &Pace, who: &str) {
        self.0
            .lock()
            .expect("no holder of this lock can panic")
            .remove(&key(pace, who));
    }
}

/// Buckets of tokens, for what is done often: each fills with so many tokens a minute, holds a third of that, and each
/// doing takes one.
pub struct Buckets(Mutex<Cache<String, Instant>>);

impl Default for Buckets {
    fn default() -> Buckets {
        Buckets(Mutex::new(Cache::new(REMEMBERED)))
    }
}

impl Buckets {
    /// Takes a token out of each bucket, named by what is done, tokens a minute, and for whom it is counted. If one is empty, takes
    /// none, and answers the whole seconds until it isn't, at least 1, and what it is named by.
    ///
    /// # Errors
    /// Those seconds.
    pub fn take(&self, now: Instant, of: &[((&'static str, u32), &str)]) -> Result<(), (u64, &'static str)> {
        let mut all = self.0.lock().expect("no holder of this lock can panic");
        let mut taken = Vec::with_capacity(of.len());
        let mut longest = (Duration::ZERO, "");
        for ((what, per_minute), who) in of {
            let token = Duration::from_secs(60) / (*per_minute).max(1);
            let holds = token * (per_minute / 3).max(1);
            let key = format!("{what} {who}");
            // When the bucket is full again, if nobody takes any more.
            let full = all.get(&key).map_or(now, |full| (*full).max(now)) + token;
            let wait = full.saturating_duration_since(now + holds);
            if wait > longest.0 {
                longest = (wait, what);
            }
            taken.push((key, full));
        }
        if !longest.0.is_zero() {
            return Err((longest.0.as_millis().div_ceil(1_000) as u64, longest.1));
        }
        for (key, full) in taken {
            all.insert(key, full);
        }
        Ok(())
    }
}

impl Pace {
    fn wait_after(&self, count: u32) -> Duration {
        match count.checked_sub(self.free + 1) {
            None => Duration::ZERO,
            Some(beyond) => self.first.saturating_mul(1 << beyond.min(30)).min(self.longest),
        }
    }
}

/// The address as throttles count it: an IPv6 client has a whole /64 to choose from.
pub fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn key(pace: &Pace, who: &str) -> String {
    format!("{} {who}", pace.name)
}

fn faded(all: &Cache<String, Tries>, pace: &Pace, who: &str, now: Instant) -> Tries {
    let Some(&tries) = all.get(&key(pace, who)) else {
        return Tries {
            count: 0,
            last: now,
            next: now,
        };
    };
    let halvings = now.saturating_duration_since(tries.last).as_secs() / pace.fade.as_secs().max(1);
    Tries {
        count: tries.count.checked_shr(halvings.try_into().unwrap_or(32)).unwrap_or(0),
        ..tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        name: "log in",
        free: 3,
        first: Duration::from_secs(1),
        longest: Duration::from_secs(10),
        fade: Duration::from_secs(600),
    };

    #[test]
    fn the_wait_doubles_up_to_a_limit_and_an_early_try_does_not_lengthen_it() {
        let throttle = Throttle::default();
        let mut now = Instant::now();
        for _ in 0..3 {
            throttle.attempt(now, &[(&PACE, "ana")]).unwrap();
        }
        let mut waits = Vec::new();
        for _ in 0..6 {
            throttle.attempt(now, &[(&PACE, "ana")]).unwrap();
            let wait = throttle.attempt(now, &[(&PACE, "ana")]).unwrap_err();
            assert_eq!(
                throttle.attempt(now, &[(&PACE, "ana")]),
                Err(wait),
                "asking again changed the wait"
            );
            waits.push(wait);
            now += Duration::from_secs(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(throttle.attempt(now, &[(&PACE, "bo")]), Ok(()), "bo waits for ana");
    }

    #[test]
    fn a_try_is_counted_for_all_or_for_nobody() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..4 {
            throttle.attempt(now, &[(&PACE, "ana")]).unwrap();
        }
        assert_eq!(throttle.attempt(now, &[(&PACE, "bo"), (&PACE, "ana")]), Err(1));
        assert_eq!(throttle.tries(now, &PACE, "bo"), 0);
    }

    #[test]
    fn quiet_fades_and_success_forgets() {
        let throttle = Throttle::default();
        let now = Instant::now();
        for _ in 0..4 {
            throttle.attempt(now, &[(&PACE, "ana")]).unwrap();
        }
        assert_eq!(throttle.tries(now + Duration::from_secs(601), &PACE, "ana"), 2);
        assert_eq!(throttle.tries(now + Duration::from_secs(86_400 * 365), &PACE, "ana"), 0);
        throttle.take_back(now, &PACE, "ana");
        assert_eq!(throttle.tries(now, &PACE, "ana"), 3);
        assert_eq!(throttle.attempt(now, &[(&PACE, "ana")]), Ok(()));
        throttle.forget(&PACE, "ana");
        assert_eq!(throttle.tries(now, &PACE, "ana"), 0);
    }

    #[test]
    fn a_bucket_gives_a_third_of_a_minute_at_once_and_then_as_it_fills() {
        let buckets = Buckets::default();
        let mut now = Instant::now();
        let of = [(("posts", 60), "ana"), (("room", 600), "lobby")];
        for _ in 0..20 {
            buckets.take(now, &of).unwrap();
        }
        assert_eq!(buckets.take(now, &of), Err((1, "posts")));
        assert_eq!(
            buckets.take(now, &[of[1]]),
            Ok(()),
            "the refused one took from the other bucket"
        );
        now += Duration::from_secs(1);
        assert_eq!(buckets.take(now, &of), Ok(()));
        assert_eq!(buckets.take(now, &of), Err((1, "posts")));
        assert_eq!(buckets.take(now + Duration::from_secs(3600), &of), Ok(()));
    }

    #[test]
    fn an_ipv6_network_counts_as_one() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_eq!(of("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
