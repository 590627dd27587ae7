//! Safety numbers: what two people compare, face to face or on the telephone, to know that nobody is between them.

use pbkdf2::Algorithm;

use crate::{Name, keys::Keys};

const ROUNDS: u32 = 5_200;

/// The sixty digits of two members: the same whoever asks. People see them in twelve groups of five.
pub fn number(a: (&Name, &Keys), b: (&Name, &Keys)) -> String {
    let (lower, higher) = if a.0 <= b.0 { (a, b) } else { (b, a) };
    digits(lower.0, lower.1) + &digits(higher.0, higher.1)
}

/// What the QR code of two members holds.
pub fn qr_text(a: (&Name, &Keys), b: (&Name, &Keys)) -> String {
    let (lower, higher) = if a.0 <= b.0 { (a.0, b.0) } else { (b.0, a.0) };
    format!("neospace safety 1 {lower} {higher} {}", number(a, b))
}

/// Thirty digits for one member.
fn digits(name: &Name, keys: &Keys) -> String {
    let password = [keys.identity, keys.signing].concat();
    let salt = format!("neospace/1 dm safety {name}");
    let rounds = pbkdf2::Params::new(ROUNDS).expect("it is within the crate's limits");
    let mut bytes = [0; 30];
    pbkdf2::pbkdf2_hmac_with_params(&password, salt.as_bytes(), Algorithm::Pbkdf2Sha512, rounds, &mut bytes);
    let groups = bytes.as_chunks::<5>().0.iter().map(|group| {
        let number = group.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        format!("{:05}", number % 100_000)
    });
    groups.collect()
}
