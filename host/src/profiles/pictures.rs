//! Pictures that a member has without drawing any: a banner, a thumbnail and a mascot, all made from the name and the
//! colour, always the same for both. SVG with the classes of `ui/css/inks.css`: no colour values, no styles, no member text.

use std::fmt::Write;

/// The colours that a member may choose: the value, what it is called, and the plate's class.
pub const COLOURS: [(&str, &str); 5] = [
    ("red", "stamp red"),
    ("green", "phosphor"),
    ("blue", "tube blue"),
    ("mauve", "mauve"),
    ("ink", "black"),
];

/// Patterns of a wall's paper, chosen by the name.
const PATTERNS: [&str; 6] = ["dots", "lines", "grid", "slant", "checks", "crumbs"];

/// Drawn so that the first members of the demonstration get pictures that suit them.
const SALT: u64 = 353_318;

/// Creatures and things on a 96 × 96 field: what it is, and the drawing.
const CREATURES: [(&str, &str); 12] = [
    (
        "moth",
        r#"<path class="r ol" d="M46 40 6 12 4 44l14 14-8 22 22 4 14-26zM50 40l40-28 2 32-14 14 8 22-22 4-14-26z"/><circle class="w ol" cx="22" cy="36" r="9"/><circle class="w ol" cx="74" cy="36" r="9"/><circle class="k" cx="22" cy="36" r="3.5"/><circle class="k" cx="74" cy="36" r="3.5"/><path class="k" d="M42 30h12v48l-6 10-6-10z"/><path class="ln" d="M44 28 32 8M52 28 64 8"/>"#,
    ),
    (
        "eye",
        r#"<path class="w ol" d="M4 48C20 20 34 14 48 14s28 6 44 34C76 76 62 82 48 82S20 76 4 48z"/><circle class="b ol" cx="48" cy="48" r="22"/><circle class="k" cx="48" cy="48" r="10"/><path class="w" d="M52 36h9v9h-9z"/>"#,
    ),
    (
        "cassette",
        r#"<path class="w ol" d="M4 20h88v58H4z"/><path class="g ol" d="M12 27h72v32H12z"/><path class="k" d="M26 37h44v14H26z"/><circle class="w ol" cx="30" cy="44" r="9"/><circle class="w ol" cx="66" cy="44" r="9"/><path class="k" d="M24 66h48l6 12H18z"/>"#,
    ),
    (
        "mushroom",
        r#"<path class="w ol" d="M36 48h24l4 40H32z"/><path class="r ol" d="M4 54C4 26 24 8 48 8s44 18 44 46z"/><circle class="w" cx="30" cy="32" r="8"/><circle class="w" cx="58" cy="24" r="6"/><circle class="w" cx="68" cy="43" r="7"/><circle class="w" cx="44" cy="46" r="4"/>"#,
    ),
    (
        "snail",
        r#"<path class="g ol" d="M6 82c0-10 10-14 22-14h44c4 0 6-4 6-8V40c0-6 14-6 14 0v22c0 14-8 20-20 20z"/><circle class="r ol" cx="42" cy="46" r="30"/><path class="ln" d="M42 46c0-6 9-6 9 2s-16 12-20-2 12-26 26-16 8 34-6 38"/><path class="ln" d="m80 36-4-14M88 36l6-13"/>"#,
    ),
    (
        "moon",
        r#"<path class="g ol" d="M66 8a42 42 0 1 0 22 56A36 36 0 0 1 66 8z"/><path class="k" d="M30 40h5v10h-5zM48 52h5v10h-5zM30 66h14v4H30z"/><path class="w ol" d="m80 14 3 8 8 3-8 3-3 8-3-8-8-3 8-3z" stroke-width="2"/>"#,
    ),
    (
        "disk",
        r#"<path class="b ol" d="M6 6h74l10 10v74H6z"/><path class="w ol" d="M24 6h46v28H24z"/><path class="k" d="M54 10h10v20H54z"/><path class="w ol" d="M18 48h60v42H18z"/><path class="r" d="M20 50h56v10H20z"/><path class="ln" d="M28 70h40M28 79h26" stroke-width="3"/>"#,
    ),
    (
        "modem",
        r#"<path class="k" d="M4 36h88v40H4z"/><path class="w" d="M10 42h76v12H10z"/><path class="r" d="M14 60h8v8h-8z"/><path class="g" d="M28 60h8v8h-8zM42 60h8v8h-8z"/><path class="w" d="M56 60h8v8h-8zM70 60h8v8h-8z"/><path class="ln" d="M22 36c0-20 20-6 20-26M70 36V12"/>"#,
    ),
    (
        "fish",
        r#"<path class="b ol" d="M60 48 90 26v44z"/><path class="r ol" d="M4 48c12-26 44-32 66 0-22 32-54 26-66 0z"/><path class="w" d="M34 30c8 10 8 26 0 36l8-2c7-10 7-22 0-32z"/><circle class="w ol" cx="22" cy="43" r="7"/><circle class="k" cx="21" cy="43" r="3"/>"#,
    ),
    (
        "dog",
        r#"<path class="w ol" d="M18 40c0-18 12-28 30-28s30 10 30 28v22c0 16-12 26-30 26S18 78 18 62z"/><path class="r ol" d="M20 20 4 28l4 34 14-8zM76 20l16 8-4 34-14-8z"/><path class="k" d="M32 40h8v10h-8zM56 40h8v10h-8zM40 58h16l-8 10z"/><path class="ln" d="M48 68v8M38 78c6 4 14 4 20 0" stroke-width="3"/>"#,
    ),
    (
        "spoon",
        r#"<path class="w ol" d="M48 4c14 0 20 12 20 24S60 50 48 50 28 40 28 28 34 4 48 4z"/><path class="w ol" d="M44 50h8l4 42H40z"/><path class="b" d="M38 22c0-6 4-10 8-10v5c-2 0-4 2-4 6z"/><path class="g" d="M42 78h12l1 8H41z"/>"#,
    ),
    (
        "cactus",
        r#"<path class="g ol" d="M38 88V26c0-14 20-14 20 0v26h8V36c0-9 14-9 14 0v20c0 8-4 12-12 12H58v20z"/><path class="g ol" d="M38 62H26c-8 0-10-6-10-12V38c0-8 12-8 12 0v10h10z"/><path class="r ol" d="M24 84h48l-4 10H28z"/><path class="k" d="M46 32h4v7h-4zM46 50h4v7h-4zM46 68h4v7h-4z"/>"#,
    ),
];

/// The inks of a scene by the member's colour: sky, sun, what shines, what stands near, what sparkles.
struct Inks {
    sky: &'static str,
    sun: &'static str,
    moon: &'static str,
    near: &'static str,
    spark: &'static str,
}

fn inks(colour: &str) -> Inks {
    let (sky, sun, moon, near, spark) = match colour {
        "red" => ("r", "k", "w", "k", "g"),
        "blue" => ("b", "g", "w", "k", "r"),
        "mauve" => ("m", "r", "w", "k", "g"),
        "ink" => ("k", "r", "w", "m", "g"),
        _ => ("g", "r", "w", "k", "w"),
    };
    Inks {
        sky,
        sun,
        moon,
        near,
        spark,
    }
}

/// Numbers that look random and are not: the same name gives the same ones.
struct Dice(u64);

impl Dice {
    fn of(name: &str) -> Self {
        // FNV-1a, then splitmix64's finish at every throw.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325 ^ SALT, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self(hash)
    }

    fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A whole number from `from` to below `to`.
    fn between(&mut self, from: i32, to: i32) -> i32 {
        from + (self.throw() % (to - from).max(1) as u64) as i32
    }
}

/// What is fixed for a name, in the order in which it is thrown.
struct Kit {
    scene: usize,
    creature: usize,
    pattern: usize,
    dice: Dice,
}

fn kit(name: &str) -> Kit {
    let mut dice = Dice::of(name);
    let scene = (dice.throw() % SCENES.len() as u64) as usize;
    let creature = (dice.throw() % CREATURES.len() as u64) as usize;
    let pattern = (dice.throw() % PATTERNS.len() as u64) as usize;
    Kit {
        scene,
        creature,
        pattern,
        dice,
    }
}

/// The pattern of a member's paper, a value of `data-pattern`.
pub fn pattern(name: &str) -> &'static str {
    PATTERNS[kit(name).pattern]
}

/// The creature that stands for a member, 96 × 96.
pub fn mascot(name: &str) -> String {
    format!(
        r#"<svg viewBox="0 0 96 96" aria-hidden="true">{}</svg>"#,
        CREATURES[kit(name).creature].1
    )
}

/// The banner across a wall, 1280 × 224.
pub fn banner(name: &str, colour: &str) -> String {
    let mut out = String::with_capacity(6 * 1024);
    out.push_str(r#"<svg viewBox="0 0 1280 224" preserveAspectRatio="xMidYMid slice" aria-hidden="true">"#);
    scene(&mut out, name, colour, 1280, 224, 9);
    out.push_str("</svg>");
    out
}

/// A wall in small, 320 × 200: its scene with a few windows in front.
pub fn thumbnail(name: &str, colour: &str) -> String {
    let mut out = String::with_capacity(3 * 1024);
    out.push_str(r#"<svg viewBox="0 0 320 200" aria-hidden="true">"#);
    scene(&mut out, name, colour, 320, 200, 2);
    windows(&mut out, &mut Dice::of(name));
    out.push_str("</svg>");
    out
}

fn scene(out: &mut String, name: &str, colour: &str, width: i32, height: i32, creatures: i32) {
    let mut kit = kit(name);
    let ink = inks(colour);
    // Ids must differ between pictures on one page; the name's hash serves, the name itself never does.
    let id = kit.dice.throw() >> 32;
    let _ = write!(
        out,
        r#"<defs><pattern id="p{id:x}" width="9" height="9" patternUnits="userSpaceOnUse" patternTransform="rotate(20)"><circle class="k" cx="4.5" cy="4.5" r="3.1"/></pattern><g id="c{id:x}">{}</g></defs><path class="{}" d="M0 0h{width}v{height}H0z"/>"#,
        CREATURES[kit.creature].1, ink.sky
    );
    let mut canvas = Canvas {
        out,
        dice: &mut kit.dice,
        width,
        height,
        ink,
        id,
    };
    SCENES[kit.scene](&mut canvas);
    canvas.creatures(creatures);
}

struct Canvas<'a> {
    out: &'a mut String,
    dice: &'a mut Dice,
    width: i32,
    height: i32,
    ink: Inks,
    id: u64,
}

const SCENES: [fn(&mut Canvas); 8] = [skyline, tide, hills, listing, confetti, masts, orbit, garden];

impl Canvas<'_> {
    fn add(&mut self, piece: std::fmt::Arguments) {
        // Writing into a string cannot fail.
        let _ = self.out.write_fmt(piece);
    }

    /// A disc with a halftone one over it, out of register.
    fn sun(&mut self, x: i32, y: i32, r: i32) {
        let (sun, moon, id) = (self.ink.sun, self.ink.moon, self.id);
        let (x2, y2, r2) = (x - r / 6, y - r / 10, r * 19 / 20);
        self.add(format_args!(
            r#"<circle class="{sun}" cx="{x}" cy="{y}" r="{r}"/><circle class="{moon}" cx="{x2}" cy="{y2}" r="{r2}"/><circle fill="url(#p{id:x})" opacity=".35" cx="{x2}" cy="{y2}" r="{r2}"/>"#
        ));
    }

    /// The member's creature, in many sizes, over the upper half; a few large ones, high up, where there is little room.
    fn creatures(&mut self, many: i32) {
        let few = many < 4;
        for nth in 0..many {
            let span = self.width / many;
            let x = nth * span + self.dice.between(span / 10, (span * 7 / 10).max(span / 10 + 1));
            let y = self
                .dice
                .between(self.height / 12, if few { self.height / 6 } else { self.height / 2 });
            let size = if few {
                self.dice.between(58, 84)
            } else {
                self.dice.between(32, 64)
            };
            let (turn, scale, id) = (self.dice.between(-30, 30), size, self.id);
            self.add(format_args!(
                r##"<use href="#c{id:x}" transform="translate({x} {y}) rotate({turn}) scale(.{scale})"/>"##
            ));
        }
    }
}

fn skyline(c: &mut Canvas) {
    let (w, h, near, spark) = (c.width, c.height, c.ink.near, c.ink.spark);
    c.sun(w * 4 / 5, h / 2, h * 5 / 9);
    let mut x = 0;
    while x < w {
        let (wide, tall) = (c.dice.between(60, 104), c.dice.between(h / 6, h * 5 / 9));
        c.add(format_args!(
            r#"<path class="{near}" d="M{x} {h}v-{tall}h{wide}v{tall}z"/>"#
        ));
        for _ in 0..c.dice.between(1, 5) {
            let (wx, wy) = (
                x + 8 + 12 * c.dice.between(0, (wide - 18) / 12),
                h - tall + 10 + 12 * c.dice.between(0, 4),
            );
            if wy < h - 10 {
                c.add(format_args!(r#"<path class="{spark}" d="M{wx} {wy}h7v8h-7z"/>"#));
            }
        }
        x += wide + c.dice.between(-20, 44);
    }
}

fn tide(c: &mut Canvas) {
    let (w, h) = (c.width, c.height);
    let at = c.dice.between(w / 6, w * 5 / 6);
    c.sun(at, h / 2, h * 2 / 5);
    let layers = [c.ink.moon, c.ink.sun, c.ink.near];
    for (nth, class) in layers.into_iter().enumerate() {
        let top = h * (52 + 17 * nth as i32) / 100;
        let (shift, half) = (c.dice.between(0, 60), 40);
        c.add(format_args!(r#"<path class="{class}" d="M{} {top}"#, -shift));
        for _ in 0..(w + shift) / (2 * half) + 1 {
            c.add(format_args!("q{} -22 {half} 0t{half} 0", half / 2));
        }
        c.add(format_args!(r#"V{h}H{}z"/>"#, -shift));
    }
}

fn hills(c: &mut Canvas) {
    let (w, h, id) = (c.width, c.height, c.id);
    let at = c.dice.between(w / 5, w * 4 / 5);
    c.sun(at, h * 2 / 5, h / 3);
    for (nth, class) in [c.ink.moon, c.ink.near].into_iter().enumerate() {
        let mut x = -80;
        while x < w {
            let (wide, tall) = (
                c.dice.between(160, 340),
                c.dice.between(h / 4, h * (7 - 2 * nth as i32) / 10),
            );
            let (peak, foot) = (x + wide / 2, x + wide);
            c.add(format_args!(
                r#"<path class="{class} ol" d="M{x} {h}L{peak} {}L{foot} {h}z"/>"#,
                h - tall
            ));
            if nth == 0 {
                c.add(format_args!(
                    r#"<path fill="url(#p{id:x})" opacity=".6" d="M{peak} {}L{foot} {h}H{peak}z"/>"#,
                    h - tall
                ));
            }
            x += wide * 3 / 5;
        }
    }
}

fn listing(c: &mut Canvas) {
    let (w, h, moon, spark) = (c.width, c.height, c.ink.moon, c.ink.spark);
    for row in (0..h).step_by(40) {
        c.add(format_args!(
            r#"<path class="{moon}" opacity=".8" d="M0 {row}h{w}v20H0z"/>"#
        ));
    }
    let mut x = c.dice.between(20, 80);
    while x < w {
        let (wide, tall) = (c.dice.between(130, 210), c.dice.between(h / 2, h * 4 / 5));
        let y = c.dice.between(10, (h - tall).max(11));
        c.add(format_args!(r#"<path class="k" d="M{x} {y}h{wide}v{tall}h-{wide}z"/>"#));
        for line in (16..tall - 12).step_by(18) {
            let (from, long) = (x + 14, c.dice.between(20, wide - 40));
            c.add(format_args!(
                r#"<path class="{}" d="M{from} {}h{long}v7h-{long}z"/>"#,
                if spark == "w" { "g" } else { spark },
                y + line
            ));
        }
        x += wide + c.dice.between(50, 240);
    }
}

fn confetti(c: &mut Canvas) {
    let (w, h, near) = (c.width, c.height, c.ink.near);
    let classes = [c.ink.moon, c.ink.sun, c.ink.spark];
    for nth in 0..w * h / 5200 {
        let (x, y, r) = (c.dice.between(0, w), c.dice.between(0, h), c.dice.between(4, 20));
        let class = classes[nth as usize % 3];
        match c.dice.between(0, 3) {
            0 => c.add(format_args!(r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}"/>"#)),
            1 => c.add(format_args!(
                r#"<path class="{class}" d="M{x} {y}h{}v9h-{}z"/>"#,
                2 * r,
                2 * r
            )),
            _ => c.add(format_args!(
                r#"<path class="{near}" d="M{x} {y}l{r} {}l-{} 0z"/>"#,
                2 * r,
                2 * r
            )),
        }
    }
}

fn masts(c: &mut Canvas) {
    let (w, h, near, spark, moon) = (c.width, c.height, c.ink.near, c.ink.spark, c.ink.moon);
    let mut x = c.dice.between(30, 90);
    while x < w {
        let tall = c.dice.between(h / 2, h * 17 / 20);
        let top = h - tall;
        for ring in 1..4 {
            let r = ring * 26;
            c.add(format_args!(
                r#"<circle class="{}" cx="{x}" cy="{top}" r="{r}" opacity=".9"/>"#,
                if ring == 1 { "lw" } else { "ln" }
            ));
        }
        c.add(format_args!(
            r#"<path class="{near}" d="M{} {h}L{x} {top}L{} {h}h-8L{x} {}L{} {h}z"/><circle class="{spark} ol" cx="{x}" cy="{top}" r="8"/>"#,
            x - 30, x + 30, top + 44, x - 22
        ));
        x += c.dice.between(170, 330);
    }
    c.add(format_args!(
        r#"<path class="{moon}" d="M0 {}h{w}v30H0z"/><path class="{near}" d="M0 {}h{w}v18H0z"/>"#,
        h - 26,
        h - 18
    ));
}

fn orbit(c: &mut Canvas) {
    let (w, h, spark, moon) = (c.width, c.height, c.ink.spark, c.ink.moon);
    for _ in 0..w / 16 {
        let (x, y, s) = (c.dice.between(0, w), c.dice.between(0, h), c.dice.between(2, 6));
        c.add(format_args!(r#"<path class="{moon}" d="M{x} {y}h{s}v{s}h-{s}z"/>"#));
    }
    let at = c.dice.between(w / 4, w * 3 / 4);
    c.sun(at, h * 11 / 20, h * 2 / 5);
    let r = h * 2 / 3;
    c.add(format_args!(
        r#"<path class="{spark} ol" d="M{} {}c{} 70 {} 40 {} -60c-60 70 -{} 90 -{} 60z"/>"#,
        at - r,
        h * 3 / 5,
        r / 2,
        r * 3 / 2,
        2 * r,
        r,
        2 * r - 60
    ));
}

fn garden(c: &mut Canvas) {
    let (w, h, near, moon, sun) = (c.width, c.height, c.ink.near, c.ink.moon, c.ink.sun);
    let at = c.dice.between(w / 6, w * 5 / 6);
    c.sun(at, h / 3, h / 4);
    c.add(format_args!(r#"<path class="{near}" d="M0 {}h{w}v34H0z"/>"#, h - 30));
    let mut x = c.dice.between(10, 40);
    while x < w {
        let tall = c.dice.between(h / 5, h * 3 / 5);
        let top = h - 30 - tall;
        c.add(format_args!(
            r#"<path class="{near}" d="M{} {}h6v{tall}h-6z"/>"#,
            x - 3,
            top
        ));
        match c.dice.between(0, 3) {
            0 => c.add(format_args!(r#"<circle class="{moon} ol" cx="{x}" cy="{top}" r="16"/><circle class="{sun}" cx="{x}" cy="{top}" r="6"/>"#)),
            1 => c.add(format_args!(r#"<path class="{sun} ol" d="M{} {top}c0-26 40-26 40 0z"/>"#, x - 20)),
            _ => c.add(format_args!(r#"<path class="{moon} ol" d="M{x} {}q30-4 26-30q-30 0-26 30q-30-4-26-30q30 0 26 30z"/>"#, top + 12)),
        }
        x += c.dice.between(36, 96);
    }
}

/// Two or three windows, as on a wall seen from across the street.
fn windows(out: &mut String, dice: &mut Dice) {
    let mut x = dice.between(14, 34);
    for nth in 0..3 {
        let (wide, tall) = (dice.between(58, 110), dice.between(44, 84));
        if x + wide > 310 {
            break;
        }
        let y = 188 - tall;
        let class = ["r", "g", "b"][(dice.throw() % 3) as usize];
        let _ = write!(
            out,
            r#"<path class="w ol" d="M{x} {y}h{wide}v{tall}h-{wide}z"/><path class="{class}" d="M{} {}h{}v12h-{}z"/>"#,
            x + 2,
            y + 2,
            wide - 4,
            wide - 4
        );
        for line in 0..(tall - 24) / 13 {
            let long = dice.between(wide / 3, wide - 18);
            let _ = write!(
                out,
                r#"<path class="k" d="M{} {}h{long}v3h-{long}z"/>"#,
                x + 9,
                y + 24 + line * 13
            );
        }
        x += wide + dice.between(10, 26) + nth;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_the_same_every_time_and_differ_between_members() {
        assert_eq!(banner("ana", "mauve"), banner("ana", "mauve"));
        assert_ne!(banner("ana", "mauve"), banner("bo", "mauve"));
        assert_ne!(thumbnail("ana", "red"), thumbnail("ana", "blue"));
    }

    #[test]
    fn a_name_never_gets_into_the_markup() {
        assert!(!banner("\"><script>", "red").contains("<script>"));
    }
}
