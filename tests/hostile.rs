//! Plugins that mean harm. Each is contained inside its limits, the fault says why, and nobody else is harmed: the
//! module beside it and the wall next door are there as always.
//!
//! All behave on every wall but that of **havoc**, since one that misbehaves at once isn't loaded in the first place.

#[path = "hostile/tree.rs"]
mod tree;

#[allow(dead_code)]
#[path = "lanes/guest.rs"]
mod guest;

use neospace_tests::{Answer, Person, Server, eventually};
use tree::{Node, acting, element, lay_out, text, with};

/// A plugin that attacks while rendering.
struct Attack {
    name: &'static str,
    wasm: Vec<u8>,
    /// What the fault's kind and detail must contain.
    says: &'static str,
}

/// Memory enough for what is laid out at 1 MiB, beside the allocator's two pages.
fn roomy(module: String) -> String {
    module.replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 64)")
}

/// A widget that runs `attack` on havoc's wall and says "hello" elsewhere.
fn widget(name: &str, core: &str, wit: &str, attack: &str, more: &str) -> Vec<u8> {
    let body = format!(
        "(if (i32.eq (local.get $wall_len) (i32.const 5)) (then {attack})) (call $text (i32.const 1024) (i32.const 5))"
    );
    let more = format!("{more} (data (i32.const 1024) \"hello\")");
    let module = roomy(guest::widget_module(core, &body, &more));
    pack(
        name,
        &guest::component(&format!("{wit}\nexport neospace:plugin/widget@0.1.0;"), &module),
        "",
    )
}

/// A widget that shows this tree on havoc's wall.
fn shows(name: &'static str, nodes: &[Node], roots: &[u32], says: &'static str) -> Attack {
    let (data, view) = lay_out(nodes, roots);
    Attack {
        name,
        wasm: widget(name, "", "", &format!("(return (i32.const {view}))"), &data),
        says,
    }
}

/// A widget that runs this on havoc's wall.
fn runs(name: &'static str, attack: &str, more: &str, says: &'static str) -> Attack {
    Attack {
        name,
        wasm: widget(name, "", "", attack, more),
        says,
    }
}

/// Adds the manifest that a plugin needs.
fn pack(name: &str, component: &[u8], more: &str) -> Vec<u8> {
    neospace::plugins::manifest::embed(component, &manifest(name, more)).expect("the manifest fits")
}

fn manifest(name: &str, more: &str) -> String {
    format!(
        "id = \"{name}\"\nname = \"{name}\"\nversion = \"1.0.0\"\nsummary = \"Means harm.\"\nlicense = \"MIT\"\n\
         authors = [\"nobody\"]\n{more}"
    )
}

fn one(node: Node) -> Vec<Node> {
    vec![node, text("x")]
}

/// What a page must never contain, whatever a plugin sends.
const NEVER: [&str; 10] = [
    "javascript:",
    "JaVaScRiPt",
    "<script>alert",
    " onclick=",
    "evil.example",
    "<iframe",
    "<object",
    "<foreignObject",
    "style=",
    " formaction=",
];

fn attacks_on_the_tree() -> Vec<Attack> {
    let deep: Vec<Node> = (0..40)
        .map(|n| element("div", if n < 39 { &[1] } else { &[] }))
        .collect();
    let deep: Vec<Node> = deep
        .into_iter()
        .enumerate()
        .map(|(n, node)| match node {
            Node::Element(mut e) if n < 39 => {
                e.children = vec![n as u32 + 1];
                Node::Element(e)
            }
            node => node,
        })
        .collect();
    let many: Vec<Node> = (0..1_500).map(|_| text("x")).collect();
    let all: Vec<u32> = (0..1_500).collect();
    vec![
        shows("cycle", &[element("div", &[1]), element("div", &[0])], &[0], "view: "),
        shows("own-parent", &[element("div", &[0])], &[0], "view: "),
        shows(
            "two-parents",
            &[element("div", &[2]), element("div", &[2]), text("x")],
            &[0, 1],
            "view: ",
        ),
        shows("root-outside", &[text("x")], &[7], "view: "),
        shows("child-outside", &[element("div", &[4_000_000_000])], &[0], "view: "),
        shows("too-deep", &deep, &[0], "view: "),
        shows("too-many-nodes", &many, &all, "view: "),
        shows("too-much-text", &[text(&"x".repeat(70 << 10))], &[0], "view: "),
        shows("tag-script", &one(element("script", &[1])), &[0], "view: "),
        shows(
            "tag-iframe",
            &one(with("iframe", &[("src", "https://evil.example")], &[1])),
            &[0],
            "view: ",
        ),
        shows("tag-object", &one(element("object", &[1])), &[0], "view: "),
        shows("tag-shouted", &one(element("SCRIPT", &[1])), &[0], "view: "),
        shows(
            "tag-with-attribute",
            &one(element("p onclick=alert(1)", &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "attribute-onclick",
            &one(with("p", &[("onclick", "alert(1)")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "attribute-style",
            &one(with("p", &[("style", "style=")], &[1])),
            &[0],
            "view: ",
        ),
        shows("attribute-id", &one(with("p", &[("id", "main")], &[1])), &[0], "view: "),
        shows(
            "attribute-breaks-out",
            &one(with("p", &[("x\"><script>alert(1)</script>", "")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "attribute-twice",
            &one(with("a", &[("href", "/"), ("href", "https://evil.example")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-javascript",
            &one(with("a", &[("href", "javascript:alert(1)")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-javascript-mixed",
            &one(with("a", &[("href", " JaVaScRiPt\t:alert(1)")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-data",
            &one(with("a", &[("href", "data:text/html,<script>alert(1)</script>")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-no-scheme",
            &one(with("a", &[("href", "//evil.example/")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-backslash",
            &one(with("a", &[("href", "/\\evil.example/")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "link-http",
            &one(with("a", &[("href", "http://evil.example/")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "picture-from-outside",
            &one(with("img", &[("src", "https://evil.example/x.png"), ("alt", "")], &[])),
            &[0],
            "view: ",
        ),
        shows(
            "input-password",
            &one(with("input", &[("type", "password"), ("name", "x")], &[])),
            &[0],
            "view: ",
        ),
        shows(
            "input-file",
            &one(with("input", &[("type", "file"), ("name", "x")], &[])),
            &[0],
            "view: ",
        ),
        shows(
            "button-elsewhere",
            &one(with("button", &[("formaction", "https://evil.example")], &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "form-in-form",
            &[acting("form", "a", "", &[1]), acting("form", "b", "", &[2]), text("x")],
            &[0],
            "view: ",
        ),
        shows("action-on-a-div", &one(acting("div", "a", "", &[1])), &[0], "view: "),
        shows(
            "action-name-too-long",
            &one(acting("button", &"a".repeat(65), "", &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "action-payload-too-long",
            &one(acting("button", "a", &"p".repeat(5_000), &[1])),
            &[0],
            "view: ",
        ),
        shows(
            "svg-foreign-object",
            &[element("svg", &[1]), element("foreignObject", &[2]), text("x")],
            &[0],
            "view: ",
        ),
        shows(
            "svg-use",
            &[
                element("svg", &[1]),
                with("use", &[("href", "https://evil.example/#x")], &[]),
            ],
            &[0],
            "view: ",
        ),
        shows("nonsense-node", &[Node::Nonsense], &[0], "trap"),
    ]
}

fn attacks_on_the_engine() -> Vec<Attack> {
    let log_flood = "(loop $l (call $log (i32.const 1) (i32.const 1024) (i32.const 5)) (br $l))";
    let mut attacks = vec![
        runs("endless-loop", "(loop $l (br $l))", "", "fuel"),
        runs(
            "memory-bomb",
            "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))) unreachable)",
            "",
            "memory",
        ),
        runs(
            "table-bomb",
            "(loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0))) unreachable)",
            "(table $t 0 funcref)",
            "memory",
        ),
        runs(
            "deep-recursion",
            "(call $down (i64.const 0))",
            "(func $down (param i64) (call $down (i64.add (local.get 0) (i64.const 1))) (call $down (local.get 0)))",
            "stack",
        ),
        runs(
            "huge-result",
            "(return (call $text (i32.const 0) (i32.const 3000000)))",
            "",
            "result",
        ),
        runs(
            "million-nodes",
            "(i32.store (i32.const 16) (i32.const 65536)) (i32.store (i32.const 20) (i32.const 1000000)) (return (i32.const 16))",
            "",
            "",
        ),
        runs(
            "list-that-lies",
            "(i32.store (i32.const 16) (i32.const 1024)) (i32.store (i32.const 20) (i32.const -1)) (return (i32.const 16))",
            "",
            "trap",
        ),
        runs("points-outside", "(return (i32.const -16))", "", "trap"),
        runs(
            "bad-utf8",
            "(return (call $text (i32.const 5000) (i32.const 4)))",
            "(data (i32.const 5000) \"\\ff\\fe\\c0\\80\")",
            "trap",
        ),
        runs(
            "divides-by-zero",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            "",
            "trap",
        ),
        runs("unreachable", "unreachable", "", "trap"),
        runs("writes-outside", "(i32.store (i32.const -4) (i32.const 1))", "", "trap"),
        runs(
            "eats-the-allocator",
            "(loop $l (drop (call $allocate (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 65536))) (br $l))",
            "",
            "",
        ),
    ];
    let wasm = guest::component(
        &format!("{}\nexport neospace:plugin/widget@0.1.0;", guest::LOG_WIT),
        &guest::widget_module(
            guest::LOG_CORE,
            &format!(
                "(if (i32.eq (local.get $wall_len) (i32.const 5)) (then {log_flood})) (call $text (i32.const 1024) (i32.const 5))"
            ),
            "(data (i32.const 1024) \"hello\")",
        ),
    );
    let capability = "[capabilities]\nlog = \"To flood it.\"\n";
    attacks.push(Attack {
        name: "log-flood",
        wasm: pack("log-flood", &wasm, capability),
        says: "host",
    });
    attacks
}

/// Modules that fit on one wall.
const MODULES_OF_A_WALL: usize = 19;

/// Puts the attacks on havoc's walls, a server for each wallful, and looks what comes of it.
fn are_contained(attacks: Vec<Attack>) {
    for wallful in attacks.chunks(MODULES_OF_A_WALL) {
        let mut builder = Server::builder().component("neighbour", &pack("neighbour", &guest::hello(), ""), &[]);
        for attack in wallful {
            let grants: &[&str] = if attack.name == "log-flood" { &["log"] } else { &[] };
            builder = builder.component(attack.name, &attack.wasm, grants);
        }
        let server = builder.start();
        let (havoc, ana) = (server.person("havoc"), server.person("ana"));
        put_up(&ana, "neighbour");
        put_up(&havoc, "neighbour");
        for attack in wallful {
            put_up(&havoc, attack.name);
        }
        // Its owner is told what was wrong, in the plugin's own words: as text. Visitors are not.
        let wall = server.guest().get("/wall/havoc").expect(200).text();
        let own = havoc.get("/wall/havoc").expect(200).text();
        for link in [
            "href=\"javascript",
            "href=\"//",
            "href=\"data:",
            "<script>alert",
            "<iframe",
        ] {
            assert!(
                !own.contains(link),
                "{link} is on havoc's own page of {:?}",
                names(wallful)
            );
        }
        for never in NEVER {
            assert!(!wall.contains(never), "{never} is on the page of {:?}", names(wallful));
        }
        assert!(
            wall.contains("hello"),
            "the neighbour is gone from the wall with {:?}",
            names(wallful)
        );
        let next_door = ana.get("/wall/ana").expect(200).text();
        assert!(
            next_door.contains("hello"),
            "the wall next door suffers from {:?}",
            names(wallful)
        );
        for attack in wallful {
            let faults = eventually(&format!("{}'s fault is written down", attack.name), || {
                let faults = faults(&server, attack.name);
                (!faults.is_empty()).then_some(faults)
            });
            // On a busy machine the clock may end a call before its other limit does.
            let (fault, timed) = (faults[0].to_lowercase(), attack.says != "view: ");
            assert!(
                fault.contains(attack.says) || (timed && fault.starts_with("deadline")),
                "{} was said to be: {}",
                attack.name,
                faults[0]
            );
        }
    }
}

fn names(attacks: &[Attack]) -> Vec<&str> {
    attacks.iter().map(|attack| attack.name).collect()
}

fn put_up(person: &Person, plugin: &str) -> Answer {
    let path = format!("/wall/{}/modules", person.name);
    let answer = person.post(&path, &[("plugin", plugin)]);
    assert!(
        matches!(answer.status, 200 | 303),
        "{plugin} can't be put up: {}",
        answer.text()
    );
    answer
}

/// Kind and detail of a plugin's faults, newest first.
fn faults(server: &Server, plugin: &str) -> Vec<String> {
    let db = server.database();
    let mut rows = db
        .prepare("select kind || ': ' || detail from plugin_faults where plugin = ?1 order by id desc")
        .expect("the table is there");
    let faults = rows.query_map([plugin], |row| row.get(0)).expect("it can be read");
    faults.collect::<Result<_, _>>().expect("text")
}

#[test]
fn trees_that_no_page_may_hold_are_refused_each_with_its_reason() {
    are_contained(attacks_on_the_tree());
}

#[test]
fn guests_that_want_too_much_meet_their_limits() {
    are_contained(attacks_on_the_engine());
}

/// A file that no operator should be able to install, and what they must be told.
struct Impostor {
    name: &'static str,
    bytes: Vec<u8>,
    says: &'static str,
}

fn impostors() -> Vec<Impostor> {
    let hello = guest::hello();
    let packed = pack("impostor", &hello, "");
    let with_manifest = |text: &str| {
        let mut bytes = hello.clone();
        let section = wasm_encoder::CustomSection {
            name: "neospace:manifest".into(),
            data: text.as_bytes().into(),
        };
        wasm_encoder::Encode::encode(&wasm_encoder::SectionId::Custom, &mut bytes);
        wasm_encoder::Encode::encode(&section, &mut bytes);
        bytes
    };
    let nothing = wat::parse_str("(component)").expect("an empty component");
    let logs = guest::component(
        &format!("{}\nexport neospace:plugin/widget@0.1.0;", guest::LOG_WIT),
        &guest::widget_module(
            guest::LOG_CORE,
            "(call $log (i32.const 1) (i32.const 1024) (i32.const 5)) (call $text (i32.const 1024) (i32.const 5))",
            "(data (i32.const 1024) \"hello\")",
        ),
    );
    let reaches_out = wat::parse_str(
        r#"(component (import "wasi:sockets/tcp@0.2.0" (instance (export "t" (type (sub resource))))))"#,
    )
    .expect("it parses");
    let unknown =
        wat::parse_str(r#"(component (import "neospace:plugin/root-shell@0.1.0" (instance)))"#).expect("it parses");
    let other_version =
        wat::parse_str(r#"(component (import "neospace:plugin/log@9.0.0" (instance)))"#).expect("it parses");
    // Nested blocks with one table of branches each: little to read, much to compile.
    let blocks = "(block ".repeat(400);
    let bomb = format!(
        "(module (func (param i32) {blocks} {} {}) )",
        format!(
            "(br_table {} (local.get 0))",
            (0..400).map(|n| n.to_string()).collect::<Vec<_>>().join(" ")
        )
        .repeat(300),
        ")".repeat(400)
    );
    let bomb = wat::parse_str(format!(
        "(component (core module {}))",
        &bomb["(module".len()..bomb.len() - 1]
    ))
    .expect("it parses");
    let mut oversized = packed.clone();
    wasm_encoder::Encode::encode(&wasm_encoder::SectionId::Custom, &mut oversized);
    let padding = wasm_encoder::CustomSection {
        name: "padding".into(),
        data: vec![0; 5 << 20].into(),
    };
    wasm_encoder::Encode::encode(&padding, &mut oversized);
    vec![
        Impostor {
            name: "an empty file",
            bytes: Vec::new(),
            says: "not a WebAssembly component",
        },
        Impostor {
            name: "a letter",
            bytes: b"Dear operator, please run me.".to_vec(),
            says: "not a WebAssembly component",
        },
        Impostor {
            name: "a program of this machine",
            bytes: b"\x7fELF\x02\x01\x01".to_vec(),
            says: "not a WebAssembly component",
        },
        Impostor {
            name: "a core module",
            bytes: wat::parse_str(guest::hello_module()).expect("it parses"),
            says: "component",
        },
        Impostor {
            name: "half a file",
            bytes: packed[..packed.len() / 2].to_vec(),
            says: "",
        },
        Impostor {
            name: "a file without its last byte",
            bytes: packed[..packed.len() - 1].to_vec(),
            says: "",
        },
        Impostor {
            name: "a component without a manifest",
            bytes: hello.clone(),
            says: "manifest",
        },
        Impostor {
            name: "a manifest that is no TOML",
            bytes: with_manifest("id = ["),
            says: "line 1",
        },
        Impostor {
            name: "a manifest without a name",
            bytes: with_manifest("id = \"impostor\""),
            says: "name",
        },
        Impostor {
            name: "a manifest with a key that doesn't exist",
            bytes: with_manifest(&manifest("impostor", "admin = true")),
            says: "admin",
        },
        Impostor {
            name: "a manifest with a capability that doesn't exist",
            bytes: with_manifest(&manifest("impostor", "[capabilities]\nroot = \"please\"")),
            says: "root",
        },
        Impostor {
            name: "a manifest whose CSS leaves the module",
            bytes: with_manifest(&manifest("impostor", "css = \"p { position: fixed }\"")),
            says: "position",
        },
        Impostor {
            name: "a manifest whose CSS fetches",
            bytes: with_manifest(&manifest(
                "impostor",
                "css = \"p { background: url(https://evil.example) }\"",
            )),
            says: "url",
        },
        Impostor {
            name: "a manifest whose icon holds a script",
            bytes: with_manifest(&manifest(
                "impostor",
                "icon = \"<svg viewBox='0 0 1 1'><script>alert(1)</script></svg>\"",
            )),
            says: "script",
        },
        Impostor {
            name: "an import without a reason",
            bytes: pack("impostor", &logs, ""),
            says: "without giving a reason",
        },
        Impostor {
            name: "an import of the network",
            bytes: pack("impostor", &reaches_out, ""),
            says: "",
        },
        Impostor {
            name: "an import that doesn't exist",
            bytes: pack("impostor", &unknown, ""),
            says: "",
        },
        Impostor {
            name: "an import of another contract",
            bytes: pack("impostor", &other_version, ""),
            says: "",
        },
        Impostor {
            name: "a component that does nothing",
            bytes: pack("impostor", &nothing, ""),
            says: "exports none of the interfaces",
        },
        Impostor {
            name: "a bomb for the compiler",
            bytes: pack("impostor", &bomb, ""),
            says: "",
        },
        Impostor {
            name: "a file of five megabytes",
            bytes: oversized,
            says: "4",
        },
    ]
}

#[test]
fn the_operator_is_told_why_a_file_is_no_plugin_and_nothing_changes() {
    let server = Server::start();
    let before = std::fs::read_to_string(server.config_file()).expect("the configuration is there");
    for impostor in impostors() {
        let file = server.folder().join("impostor.wasm");
        std::fs::write(&file, &impostor.bytes).expect("the folder can be written");
        let output = server.operator(&["plugin", "install", "impostor.wasm"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{} was installed", impostor.name);
        assert!(said.contains(impostor.says), "of {} was said: {said}", impostor.name);
        assert!(!said.contains("panicked"), "{} broke the tool: {said}", impostor.name);
        let after = std::fs::read_to_string(server.config_file()).expect("the configuration is there");
        assert_eq!(before, after, "{} changed the configuration", impostor.name);
    }
    assert_eq!(server.guest().get("/").status, 200);
}

/// Plugins that fail at their very first render, which the server tries before it takes them.
#[test]
fn what_fails_at_once_is_not_taken_and_the_old_set_stays() {
    let starts_with_a_loop =
        guest::hello_module().replacen("(module", "(module (func $begin (loop $l (br $l))) (start $begin)", 1);
    let broken = [
        ("traps", guest::widget("unreachable", "")),
        ("loops", guest::widget("(loop $l (br $l)) (i32.const 0)", "")),
        (
            "starts",
            guest::component("export neospace:plugin/widget@0.1.0;", &starts_with_a_loop),
        ),
    ];
    let server = Server::builder()
        .component("neighbour", &pack("neighbour", &guest::hello(), ""), &[])
        .expect_in_log("is refused")
        .start();
    let ana = server.person("ana");
    put_up(&ana, "neighbour");
    for (name, component) in broken {
        let wasm = pack(name, &component, "");
        let file = server.folder().join(format!("{name}.wasm"));
        std::fs::write(&file, &wasm).expect("the folder can be written");
        let seen = server.log().lines().len();
        server.edit_config(|config| {
            let mut stanza = toml_edit::Table::new();
            stanza["source"] = toml_edit::value(format!("{name}.wasm"));
            stanza["sha256"] = toml_edit::value(neospace_tests::server::sha256(&wasm));
            config["plugin"]
                .as_table_mut()
                .expect("there are plugins")
                .insert(name, toml_edit::Item::Table(stanza));
        });
        let said = server
            .log()
            .wait_for(seen, |line| line.contains("first render").then(|| line.to_owned()))
            .unwrap_or_else(|| panic!("nothing was said of {name}"));
        assert!(said.contains(name), "of {name} was said: {said}");
        assert!(
            ana.get("/wall/ana").expect(200).text().contains("hello"),
            "the old set is gone after {name}"
        );
        server.edit_config(|config| {
            config["plugin"].as_table_mut().expect("there are plugins").remove(name);
        });
    }
}
