//! Chance that repeats itself.

/// A stream of random numbers that is the same for the same seed: SplitMix64 (Steele, Lea and Flood, 2014). Not for
/// secrets.
#[derive(Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed. For several streams from one seed, mix in a salt: `Random::new(ctx.seed ^ hash("petals"))`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: i32, to: i32) -> i32 {
        let span = (i64::from(to) - i64::from(from)).max(0) as u64 + 1;
        (i64::from(from) + (self.bits() % span) as i64) as i32
    }

    /// True once in `n`.
    pub fn one_in(&mut self, n: u32) -> bool {
        self.bits().is_multiple_of(u64::from(n.max(1)))
    }

    /// One of the choices. Panics when there is none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        assert!(!choices.is_empty(), "Random::pick needs at least one choice");
        &choices[(self.bits() % choices.len() as u64) as usize]
    }
}

/// A 64-bit hash of a text, the same on every machine: FNV-1a, stirred once. For seeds, colours and short keys, not for
/// secrets.
pub fn hash(text: &str) -> u64 {
    let fold = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    Random(text.bytes().fold(0xcbf2_9ce4_8422_2325, fold)).bits()
}
