//! Colours as members choose them, and whether one can be read on another.

use std::{fmt, str::FromStr};

/// The least contrast of a text with what it stands on (WCAG 2, AA).
pub const READABLE: f64 = 4.5;
/// The least contrast of a line with what it is drawn on.
pub const VISIBLE: f64 = 3.0;
/// In how many steps a colour goes over into another one.
const STEPS: u32 = 25;

pub const BLACK: Colour = Colour::of(0x000000);
pub const WHITE: Colour = Colour::of(0xffffff);

/// A colour in sRGB, written `#1f38cc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Colour([u8; 3]);

impl Colour {
    /// Of `0xrrggbb`.
    pub const fn of(rgb: u32) -> Self {
        Self([(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8])
    }

    /// How light it is, 0 to 1, as WCAG 2 measures it.
    fn luminance(self) -> f64 {
        let [r, g, b] = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            match part <= 0.04045 {
                true => part / 12.92,
                false => ((part + 0.055) / 1.055).powf(2.4),
            }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// The contrast of two colours, 1 to 21, as WCAG 2 measures it.
    pub fn against(self, other: Self) -> f64 {
        let (one, other) = (self.luminance() + 0.05, other.luminance() + 0.05);
        one.max(other) / one.min(other)
    }

    /// Its contrast with that of several colours which differs least from it.
    pub fn against_all(self, others: &[Self]) -> f64 {
        others
            .iter()
            .map(|other| self.against(*other))
            .fold(f64::INFINITY, f64::min)
    }

    /// Black or white, whichever differs more from it. Its contrast with that is at least 4.58.
    pub fn opposite(self) -> Self {
        match self.against(BLACK) >= self.against(WHITE) {
            true => BLACK,
            false => WHITE,
        }
    }

    /// The colour nearest to this one, on the way to `end`, that is `fine`; `end` itself at the latest.
    pub fn towards(self, end: Self, fine: impl Fn(Self) -> bool) -> Self {
        (0..=STEPS)
            .map(|step| self.mixed(end, step))
            .find(|colour| fine(*colour))
            .unwrap_or(end)
    }

    fn mixed(self, other: Self, step: u32) -> Self {
        let mut mixed = [0; 3];
        for (mixed, (one, other)) in mixed.iter_mut().zip(self.0.iter().zip(other.0)) {
            // Between 0 and 255, as both are.
            *mixed = ((u32::from(*one) * (STEPS - step) + u32::from(other) * step) / STEPS) as u8;
        }
        Self(mixed)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [r, g, b] = self.0;
        write!(f, "#{r:02x}{g:02x}{b:02x}")
    }
}

impl FromStr for Colour {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix('#').ok_or(())?;
        if digits.len() != 6 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(());
        }
        u32::from_str_radix(digits, 16).map(Self::of).map_err(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((BLACK.against(WHITE) - 21.0).abs() < 1e-9);
        // The grey that WebAIM's checker gives 4.54 on white, and the next one, which fails.
        assert!((Colour::of(0x767676).against(WHITE) - 4.54).abs() < 0.005);
        assert!(Colour::of(0x777777).against(WHITE) < READABLE);
        for grey in 0..=255u32 {
            let grey = Colour::of(grey << 16 | grey << 8 | grey);
            assert!(grey.against(grey.opposite()) >= READABLE, "{grey}");
        }
    }

    #[test]
    fn a_colour_is_what_a_browser_sends() {
        assert_eq!("#1F38cc".parse(), Ok(Colour::of(0x1f38cc)));
        assert_eq!(Colour::of(0x1f38cc).to_string(), "#1f38cc");
        for wrong in ["", "#fff", "1f38cc", "#1f38c", "#1f38cc0", "#+f38cc", "red", "#1f38cg"] {
            assert_eq!(wrong.parse::<Colour>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn on_its_way_a_colour_stops_where_it_is_fine() {
        let grey = Colour::of(0x808080);
        assert_eq!(grey.towards(BLACK, |_| true), grey);
        assert_eq!(grey.towards(BLACK, |_| false), BLACK);
        let dark = grey.towards(BLACK, |colour| colour.against(WHITE) >= READABLE);
        assert!(dark.against(WHITE) >= READABLE && dark != BLACK, "{dark}");
    }
}
