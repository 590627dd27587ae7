//! Dice: `/roll 2d6+1`. The dice follow from the seed that the host draws for each call; the answer shows it, so that a
//! roll can be made again.

mod formula;

use formula::{Formula, Keep, Part};
use neospace_plugin::{Commands, NoSettings, Random, Reply, RoomContext, register, viewer};

/// What `/roll` alone rolls.
const USUAL: &str = "d6";

struct Dice;

impl Commands for Dice {
    type Settings = NoSettings;

    fn on_command(ctx: &RoomContext<NoSettings>, _: &str, arguments: &str) -> Result<Reply, String> {
        let formula = Formula::read(if arguments.is_empty() { USUAL } else { arguments })?;
        let (sum, fallen) = roll(&formula, &mut ctx.random());
        // A name may have _ in it, which the room's Markdown has a meaning for.
        let who = match viewer::name() {
            Some(name) => format!("**{}** rolled", name.replace('_', "\\_")),
            None => "Rolled".to_owned(),
        };
        Ok(Reply::says(format!(
            "{who} `{formula}`: **{sum}** = `{fallen}`. Seed `0x{:016x}`",
            ctx.seed
        )))
    }
}

/// The sum, and what fell: `[6, 5, 4, (1)] + 2`, with those that don't count in brackets of their own.
fn roll(formula: &Formula, random: &mut Random) -> (i64, String) {
    let (mut sum, mut fallen) = (0, String::new());
    for (index, (minus, part)) in formula.0.iter().enumerate() {
        let (value, words) = match part {
            Part::Number(number) => (*number, number.to_string()),
            Part::Dice { count, sides, keep } => {
                let dice: Vec<i64> = (0..*count)
                    .map(|_| i64::from(random.between(1, *sides as i32)))
                    .collect();
                let kept = kept(&dice, *keep);
                let value = dice
                    .iter()
                    .zip(&kept)
                    .filter(|(_, kept)| **kept)
                    .map(|(die, _)| die)
                    .sum();
                let words: Vec<String> = dice
                    .iter()
                    .zip(&kept)
                    .map(|(die, kept)| if *kept { die.to_string() } else { format!("({die})") })
                    .collect();
                (value, format!("[{}]", words.join(", ")))
            }
        };
        let sign = match (index, minus) {
            (0, false) => "",
            (0, true) => "-",
            (_, false) => " + ",
            (_, true) => " - ",
        };
        fallen.push_str(sign);
        fallen.push_str(&words);
        sum += if *minus { -value } else { value };
    }
    (sum, fallen)
}

/// Which of the dice count. Of equal ones, those that fell first.
fn kept(dice: &[i64], keep: Keep) -> Vec<bool> {
    let mut order: Vec<usize> = (0..dice.len()).collect();
    let count = match keep {
        Keep::All => dice.len(),
        Keep::Highest(count) => {
            order.sort_by_key(|&at| -dice[at]);
            count as usize
        }
        Keep::Lowest(count) => {
            order.sort_by_key(|&at| dice[at]);
            count as usize
        }
    };
    let mut kept = vec![false; dice.len()];
    for &at in order.iter().take(count) {
        kept[at] = true;
    }
    kept
}

register!(commands Dice);
