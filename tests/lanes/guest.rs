//! Plugins written by hand in WebAssembly text, and made into components as a toolchain would.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

const WORLD: &str = "package test:plugin;\nworld plugin {\n";

/// A component of a core module, with the world's imports and exports given as in WIT, e.g.
/// `import neospace:plugin/log@0.1.0;`.
pub fn component(world: &str, module: &str) -> Vec<u8> {
    component_with(&[], world, module)
}

/// The same, with more WIT packages that the world may name.
pub fn component_with(packages: &[&str], world: &str, module: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    resolve
        .push_str("plugin.wit", include_str!("../../plugin-api/wit/plugin.wit"))
        .expect("the contract parses");
    for package in packages {
        resolve
            .push_str("more.wit", package)
            .expect("the test's package parses");
    }
    let package = resolve
        .push_str("test.wit", &format!("{WORLD}{world}\n}}"))
        .expect("the test's world parses");
    let world = resolve.select_world(&[package], None).expect("the world is there");
    let mut module = wat::parse_str(module).expect("the test's module parses");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the metadata fits");
    let mut encoder = ComponentEncoder::default();
    encoder
        .module(&module)
        .expect("the module fits its world")
        .encode()
        .expect("the component encodes")
}

/// The type of `widget.render` in core WebAssembly.
const RENDER: &str = r#"(func (export "neospace:plugin/widget@0.1.0#render")
    (param $now i64) (param $seed i64) (param $offset i32) (param $locale i32) (param $locale_len i32)
    (param $wall i32) (param $wall_len i32) (param $viewer i32) (param $width i32) (param $height i32)
    (param $settings i32) (param $settings_len i32) (result i32)"#;

/// The type of `sticker.draw`.
const DRAW: &str = r#"(func (export "neospace:plugin/sticker@0.1.0#draw")
    (param $seed i64) (param $wall i32) (param $wall_len i32) (param $settings i32) (param $settings_len i32)
    (result i32)"#;

/// The type of `actions.act`: its arguments don't fit on the stack and come in memory.
const ACT: &str = r#"(func (export "neospace:plugin/actions@0.1.0#act") (param $arguments i32) (result i32)"#;

/// A memory, and an allocator that never frees. Data stands below 64 KiB, the heap above it.
pub const MEMORY: &str = r#"
    (memory (export "memory") 2)
    (global $heap (mut i32) (i32.const 65536))
    (func $allocate (export "cabi_realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32)
        (result i32) (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
        (global.set $heap (i32.add (local.get $at) (local.get $size)))
        (block $fits
            (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
            (br_if $fits (i32.ge_s (memory.grow (i32.add (i32.shr_u (local.get $size) (i32.const 16)) (i32.const 1)))
                (i32.const 0)))
            unreachable)
        (local.get $at))
    ;; A view at 16 of one text node at 64: where and how long the text is, the caller says.
    (func $text (param $at i32) (param $length i32) (result i32)
        (i32.store (i32.const 16) (i32.const 64)) (i32.store (i32.const 20) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 48)) (i32.store (i32.const 28) (i32.const 1))
        (i32.store (i32.const 32) (i32.const 0))
        (i32.store (i32.const 48) (i32.const 0))
        (i32.store (i32.const 64) (i32.const 0))
        (i32.store (i32.const 68) (local.get $at)) (i32.store (i32.const 72) (local.get $length))
        (i32.const 16))
"#;

/// A widget whose `render` is `body`, with `more` beside it in the module.
pub fn widget(body: &str, more: &str) -> Vec<u8> {
    widget_importing("", "", body, more)
}

/// The same, with imports: as WIT, and as the core module declares them.
pub fn widget_importing(wit: &str, core: &str, body: &str, more: &str) -> Vec<u8> {
    component(
        &format!("{wit}\nexport neospace:plugin/widget@0.1.0;"),
        &widget_module(core, body, more),
    )
}

/// The text of a core module with a `render`, what it imports, and what else is in it.
pub fn widget_module(core: &str, body: &str, more: &str) -> String {
    format!("(module {core} {MEMORY} {RENDER} {body}) {more})")
}

/// A widget with actions: `act` is `body`; `render` shows "ready".
pub fn interactive(wit: &str, core: &str, body: &str) -> Vec<u8> {
    component(
        &format!("{wit}\nexport neospace:plugin/widget@0.1.0;\nexport neospace:plugin/actions@0.1.0;"),
        &format!(
            r#"(module {core} {MEMORY} {KEY} (data (i32.const 1040) "ready")
            {RENDER} (call $text (i32.const 1040) (i32.const 5)))
            {ACT} {body}))"#
        ),
    )
}

/// The type of `commands.on-command`.
const COMMAND: &str = r#"(func (export "neospace:plugin/commands@0.1.0#on-command")
    (param $now i64) (param $seed i64) (param $room i32) (param $room_len i32) (param $settings i32) (param $settings_len i32)
    (param $name i32) (param $name_len i32) (param $arguments i32) (param $arguments_len i32) (result i32)"#;

/// The type of `filter.filter-text`.
const FILTER: &str = r#"(func (export "neospace:plugin/filter@0.1.0#filter-text")
    (param $now i64) (param $seed i64) (param $room i32) (param $room_len i32) (param $settings i32) (param $settings_len i32)
    (param $text i32) (param $text_len i32) (result i32)"#;

/// What plugins of rooms answer: a place where the answer is laid out, in a page of its own.
const ANSWERS: &str = r#"
    ;; on-command: 0 says, 1 whispers, 2 nothing
    (func $reply (param $how i32) (param $at i32) (param $length i32) (result i32)
        (i32.store (i32.const 32768) (i32.const 0)) (i32.store (i32.const 32772) (local.get $how))
        (i32.store (i32.const 32776) (local.get $at)) (i32.store (i32.const 32780) (local.get $length))
        (i32.const 32768))
    (func $refusal (param $at i32) (param $length i32) (result i32)
        (i32.store (i32.const 32768) (i32.const 1))
        (i32.store (i32.const 32772) (local.get $at)) (i32.store (i32.const 32776) (local.get $length))
        (i32.const 32768))
    ;; filter-text: 0 passes, 1 rewrites, 2 refuses
    (func $verdict (param $how i32) (param $at i32) (param $length i32) (result i32)
        (i32.store (i32.const 32768) (local.get $how))
        (i32.store (i32.const 32772) (local.get $at)) (i32.store (i32.const 32776) (local.get $length))
        (i32.const 32768))
"#;

/// A plugin that answers commands: with imports (as WIT, and as the core module declares them) and `more` in the module.
pub fn commands(wit: &str, core: &str, body: &str, more: &str) -> Vec<u8> {
    component(
        &format!("{wit}\nexport neospace:plugin/commands@0.1.0;"),
        &format!("(module {core} {MEMORY} {ANSWERS} {COMMAND} {body}) {more})"),
    )
}

/// A filter, with `more` beside it in the module.
pub fn filter(body: &str, more: &str) -> Vec<u8> {
    component(
        "export neospace:plugin/filter@0.1.0;",
        &format!("(module {MEMORY} {ANSWERS} {FILTER} {body}) {more})"),
    )
}

/// A widget with actions of which both functions are given.
pub fn interactive_showing(wit: &str, core: &str, render: &str, act: &str, more: &str) -> Vec<u8> {
    component(
        &format!("{wit}\nexport neospace:plugin/widget@0.1.0;\nexport neospace:plugin/actions@0.1.0;"),
        &format!("(module {core} {MEMORY} {KEY} {RENDER} {render}) {ACT} {act}) {more})"),
    )
}

/// A widget that shows "hello", as a component and as the text of its core module.
pub fn hello() -> Vec<u8> {
    component("export neospace:plugin/widget@0.1.0;", &hello_module())
}

/// See [`hello`].
pub fn hello_module() -> String {
    widget_module(
        "",
        "(call $text (i32.const 1024) (i32.const 5))",
        r#"(data (i32.const 1024) "hello")"#,
    )
}

/// The key that the storage plugins use.
pub const KEY: &str = r#"(data (i32.const 1024) "visits")"#;

pub const LOG_WIT: &str = "import neospace:plugin/log@0.1.0;";
pub const LOG_CORE: &str = r#"(import "neospace:plugin/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;

pub const STORAGE_WIT: &str = "import neospace:plugin/storage@0.1.0;";
pub const STORAGE_CORE: &str = r#"
    (import "neospace:plugin/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "neospace:plugin/storage@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i64 i32)))
    (import "neospace:plugin/storage@0.1.0" "add" (func $add (param i32 i32 i64 i32)))
"#;

/// Adds 2 to "visits", puts its first three letters under it, gets it, and says what it got.
pub const COUNT_AND_SAY: &str = "
    (call $add (i32.const 1024) (i32.const 6) (i64.const 2) (i32.const 2048))
    (if (i64.ne (i64.load (i32.const 2056)) (i64.const 42)) (then unreachable))
    (call $put (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 1) (i64.const 9) (i32.const 2048))
    (if (i32.load8_u (i32.const 2048)) (then unreachable))
    (call $get (i32.const 1024) (i32.const 6) (i32.const 2048))
    ;; ok(some(pointer, length)) becomes ok({ message: some(pointer, length) })
    (i32.store (i32.const 3072) (i32.const 0)) (i32.store (i32.const 3076) (i32.const 1))
    (i32.store (i32.const 3080) (i32.load (i32.const 2056))) (i32.store (i32.const 3084) (i32.load (i32.const 2060)))
    (i32.const 3072)";

/// Puts, and refuses with the number of the error it got.
pub const ERROR_OF_PUT: &str = "
    (call $put (i32.const 1024) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i64.const 0) (i32.const 2048))
    (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
    (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (i32.load8_u (i32.const 2049))))
    (i32.store (i32.const 3072) (i32.const 1))
    (i32.store (i32.const 3076) (i32.const 1024)) (i32.store (i32.const 3080) (i32.const 1))
    (i32.store (i32.const 3084) (i32.const 0))
    (i32.const 3072)";

/// Renders what is kept under \"visits\".
pub const SHOW_KEPT: &str = "
    (call $get (i32.const 1024) (i32.const 6) (i32.const 2048))
    (call $text (i32.load (i32.const 2056)) (i32.load (i32.const 2060)))";

/// What a plain build of a language's standard library imports, in small.
pub const WASI: [&str; 5] = [
    "package wasi:io@0.2.6;
    interface streams {
        variant stream-error { closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
        }
    }",
    "package wasi:cli@0.2.6;
    interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> output-stream; }
    interface environment { get-environment: func() -> list<tuple<string, string>>; }
    interface exit { exit: func(status: result); }",
    "package wasi:clocks@0.2.6;
    interface monotonic-clock { now: func() -> u64; subscribe-duration: func(when: u64); }",
    "package wasi:random@0.2.6;
    interface random { get-random-u64: func() -> u64; }",
    "package wasi:filesystem@0.2.6;
    interface types {
        enum error-code { access, not-permitted }
        open-at: func(path: string) -> result<u32, error-code>;
    }",
];
pub const WASI_WIT: &str = "import wasi:io/streams@0.2.6; import wasi:cli/stdout@0.2.6;
    import wasi:cli/environment@0.2.6; import wasi:cli/exit@0.2.6; import wasi:clocks/monotonic-clock@0.2.6;
    import wasi:random/random@0.2.6; import wasi:filesystem/types@0.2.6;";
pub const WASI_CORE: &str = r#"
    (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
    (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $sleep (param i64)))
    (import "wasi:random/random@0.2.6" "get-random-u64" (func $random (result i64)))
    (import "wasi:filesystem/types@0.2.6" "open-at" (func $open (param i32 i32 i32)))
"#;

/// A widget that imports [`WASI`].
pub fn wasi_widget(body: &str, more: &str) -> Vec<u8> {
    let world = format!("{WASI_WIT} {LOG_WIT} export neospace:plugin/widget@0.1.0;");
    component_with(
        &WASI,
        &world,
        &widget_module(&format!("{WASI_CORE} {LOG_CORE}"), body, more),
    )
}

/// A node of a view that a test makes up.
pub enum Made<'a> {
    Text(&'a str),
    Element(MadeElement<'a>),
}

/// See [`Made`].
#[derive(Default)]
pub struct MadeElement<'a> {
    pub tag: &'a str,
    pub attributes: Vec<(&'a str, &'a str)>,
    pub children: Vec<u32>,
    pub action: Option<(&'a str, &'a str)>,
}

/// An element without attributes.
pub fn made<'a>(tag: &'a str, children: &[u32]) -> Made<'a> {
    Made::Element(MadeElement {
        tag,
        children: children.to_vec(),
        ..MadeElement::default()
    })
}

/// An element with one attribute.
pub fn with<'a>(tag: &'a str, name: &'a str, value: &'a str) -> Made<'a> {
    Made::Element(MadeElement {
        tag,
        attributes: vec![(name, value)],
        ..MadeElement::default()
    })
}

/// A widget that shows these nodes: the view lies in its memory from the start, by the canonical ABI.
pub fn showing(nodes: &[Made<'_>], roots: &[u32]) -> Vec<u8> {
    let mut memory = Memory(vec![0; 16]);
    let nodes_at = memory.nodes(nodes);
    let roots_at = memory.words(roots);
    let view = memory.words(&[nodes_at, nodes.len() as u32, roots_at, roots.len() as u32, 0, 0]);
    component("export neospace:plugin/widget@0.1.0;", &memory.module(RENDER, view))
}

/// A sticker that draws these nodes.
pub fn drawing(nodes: &[Made<'_>], root: u32) -> Vec<u8> {
    let mut memory = Memory(vec![0; 16]);
    let nodes_at = memory.nodes(nodes);
    let drawn = memory.words(&[0, nodes_at, nodes.len() as u32, root]);
    component("export neospace:plugin/sticker@0.1.0;", &memory.module(DRAW, drawn))
}

/// A guest's memory in the making.
struct Memory(Vec<u8>);

impl Memory {
    fn nodes(&mut self, nodes: &[Made<'_>]) -> u32 {
        let mut words = vec![];
        for node in nodes {
            words.extend(match node {
                Made::Text(text) => {
                    let text = self.text(text);
                    [0, text[0], text[1], 0, 0, 0, 0, 0, 0, 0, 0, 0]
                }
                Made::Element(element) => {
                    let tag = self.text(element.tag);
                    let attributes: Vec<u32> = element
                        .attributes
                        .iter()
                        .flat_map(|(name, value)| [self.text(name), self.text(value)])
                        .flatten()
                        .collect();
                    let attributes_at = self.words(&attributes);
                    let children_at = self.words(&element.children);
                    let (tagged, name, payload) = match element.action {
                        Some((name, payload)) => (1, self.text(name), self.text(payload)),
                        None => (0, [0; 2], [0; 2]),
                    };
                    [
                        1,
                        tag[0],
                        tag[1],
                        attributes_at,
                        element.attributes.len() as u32,
                        children_at,
                        element.children.len() as u32,
                        tagged,
                        name[0],
                        name[1],
                        payload[0],
                        payload[1],
                    ]
                }
            });
        }
        self.words(&words)
    }

    /// Where the text is, and how long.
    fn text(&mut self, text: &str) -> [u32; 2] {
        let at = self.0.len() as u32;
        self.0.extend_from_slice(text.as_bytes());
        [at, text.len() as u32]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        let at = self.0.len() as u32;
        self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        at
    }

    /// A module whose export answers what lies at `at`. What the host passes in goes behind it all: nobody reads it.
    fn module(&self, export: &str, at: u32) -> String {
        let bytes: String = self.0.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let behind = self.0.len().next_multiple_of(8);
        format!(
            r#"(module (memory (export "memory") {pages}) (data (i32.const 0) "{bytes}") {export} (i32.const {at}))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const {behind})))"#,
            pages = behind / 65536 + 2,
        )
    }
}
