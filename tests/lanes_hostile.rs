//! Four dozen plugins that mean no good, one after the other in the same two lanes, beside one that means well. Each is
//! contained inside its limits, each says why, and the good one renders on.

#[path = "lanes/guest.rs"]
#[allow(dead_code, reason = "each test of the lanes uses a part")]
mod guest;
#[path = "lanes/stage.rs"]
#[allow(dead_code, reason = "each test of the lanes uses a part")]
mod stage;

use std::sync::Arc;
use std::time::{Duration, Instant};

use guest::{LOG_CORE, LOG_WIT, Made, MadeElement, STORAGE_CORE, STORAGE_WIT, made, with};
use neospace::plugins::compile::{self, CompileFault, CompileOptions};
use neospace::plugins::lanes::{Fault, OwnedAnswer};
use neospace::plugins::view::{Press, write_html, write_svg};
use neospace_runner::protocol::{Ask, Export, FailureKind, Grants, Outcome, Params, Refused};
use stage::{LIMITS, PATIENT, SECRET, Stage, context, neospace, text};

/// Where a plugin is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It does not compile.
    Compiling,
    /// It compiles and can't be loaded.
    Loading,
    /// The lane stops the call.
    Running(FailureKind),
    /// Its view is refused.
    Shown,
}

use FailureKind::{Fuel, HostCalls, Instantiate, Memory, Result as TooLarge, Stack, Trap};
use Stopped::{Compiling, Loading, Running, Shown};

fn hostile() -> Vec<(&'static str, Vec<u8>, Stopped)> {
    let text_of = |bytes: usize| "x".repeat(bytes);
    let deep: Vec<_> = (0..40)
        .map(|level| made("div", if level < 39 { &[0][..] } else { &[] }))
        .collect();
    let deep: Vec<_> = deep
        .into_iter()
        .enumerate()
        .map(|(level, node)| match node {
            Made::Element(element) if !element.children.is_empty() => made(element.tag, &[level as u32 + 1]),
            node => node,
        })
        .collect();
    let many: Vec<_> = (0..1_001).map(|_| Made::Text("a")).collect();
    let all: Vec<u32> = (0..1_001).collect();
    let action = |tag, name, payload| {
        [Made::Element(MadeElement {
            tag,
            action: Some((name, payload)),
            ..MadeElement::default()
        })]
    };
    let fragment = |bytes: &[u8]| bytes.to_vec();
    let huge_text = text_of(70_000);
    let (long_name, long_payload) = (text_of(65), text_of(4_097));
    vec![
        // What is no plugin.
        ("an empty file", fragment(b""), Compiling),
        ("a text file", fragment(b"#!/bin/sh\nrm -rf /\n"), Compiling),
        (
            "a core module",
            wat::parse_str("(module)").expect("it parses"),
            Compiling,
        ),
        (
            "a component cut off in the middle",
            guest::hello()[..guest::hello().len() / 2].to_vec(),
            Compiling,
        ),
        ("a section that isn't one", changed(guest::hello()), Compiling),
        (
            "machine code of some other compiler",
            fragment(b"\x7fELF\x02\x01\x01 and so on"),
            Compiling,
        ),
        (
            "64-bit memory",
            guest_with_memory("(memory (export \"memory\") i64 1)"),
            Compiling,
        ),
        (
            "shared memory",
            guest_with_memory("(memory (export \"memory\") 1 1 shared)"),
            Compiling,
        ),
        ("an import that nobody has", importing("test:other/secrets"), Loading),
        ("an import of sockets", importing("wasi:sockets/tcp"), Loading),
        ("an import of HTTP", importing("wasi:http/outgoing-handler"), Loading),
        (
            "no widget in it",
            guest::drawing(&[made("svg", &[])], 0),
            Running(Instantiate),
        ),
        // What uses up.
        (
            "an endless loop",
            guest::widget("(loop $l (br $l)) (i32.const 0)", ""),
            Running(Fuel),
        ),
        (
            "an endless start function",
            guest::widget("(i32.const 0)", "(func $s (loop $l (br $l))) (start $s)"),
            Running(Fuel),
        ),
        (
            "endless recursion",
            guest::widget("(call $r) (i32.const 0)", "(func $r (call $r))"),
            Running(Stack),
        ),
        (
            "recursion between two",
            guest::widget("(call $a) (i32.const 0)", "(func $a (call $b)) (func $b (call $a))"),
            Running(Stack),
        ),
        (
            "a memory bomb",
            guest::widget(
                "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
                "",
            ),
            Running(Memory),
        ),
        (
            "all memory at once",
            guest::widget(
                "(if (i32.eq (memory.grow (i32.const 65000)) (i32.const -1)) (then unreachable)) (i32.const 0)",
                "",
            ),
            Running(Memory),
        ),
        (
            "a component that begins with 62 MiB",
            guest_with_memory("(memory (export \"memory\") 1000)"),
            Running(Memory),
        ),
        (
            "a component that begins with 4 GiB",
            guest_with_memory("(memory (export \"memory\") 65536)"),
            Loading,
        ),
        (
            "a table bomb",
            guest::widget(
                "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 100)) (i32.const -1)))) unreachable",
                "(table $t 1 funcref)",
            ),
            Running(Memory),
        ),
        (
            "a component that begins with a huge table",
            guest::widget("(i32.const 0)", "(table 20000 funcref)"),
            Running(Memory),
        ),
        (
            "bulk copies without end",
            guest::widget(
                "(loop $l (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br $l)) (i32.const 0)",
                "",
            ),
            Running(Fuel),
        ),
        // What talks too much.
        (
            "a flood of log lines",
            logging("(loop $l (call $log (i32.const 3) (i32.const 0) (i32.const 1000)) (br $l))"),
            Running(HostCalls),
        ),
        (
            "a flood of empty log lines",
            logging("(loop $l (call $log (i32.const 0) (i32.const 0) (i32.const 0)) (br $l))"),
            Running(HostCalls),
        ),
        (
            "a log line of all its memory",
            logging(
                "(drop (memory.grow (i32.const 200))) (call $log (i32.const 0) (i32.const 0) (i32.const 13000000))",
            ),
            Running(Trap),
        ),
        (
            "a log line outside of its memory",
            logging("(call $log (i32.const 0) (i32.const 0) (i32.const -1))"),
            Running(Trap),
        ),
        (
            "a level of log that isn't one",
            logging("(call $log (i32.const 77) (i32.const 0) (i32.const 0))"),
            Running(Trap),
        ),
        (
            "a flood of questions",
            asking("(loop $l (call $get (i32.const 0) (i32.const 200) (i32.const 2048)) (br $l))"),
            Running(HostCalls),
        ),
        (
            "a flood of writes while rendering",
            asking(
                "(loop $l (call $put (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 60000) (i32.const 0) (i64.const 0) (i32.const 2048)) (br $l))",
            ),
            Running(HostCalls),
        ),
        (
            "a key that is not text",
            asking(
                "(i32.store8 (i32.const 0) (i32.const 255)) (call $get (i32.const 0) (i32.const 1) (i32.const 2048))",
            ),
            Running(Trap),
        ),
        (
            "an answer wanted outside of its memory",
            asking("(call $get (i32.const 0) (i32.const 1) (i32.const -8))"),
            Running(Trap),
        ),
        // What traps.
        ("a trap on every call", guest::widget("unreachable", ""), Running(Trap)),
        (
            "a division by zero",
            guest::widget("(i32.div_u (i32.const 1) (i32.const 0))", ""),
            Running(Trap),
        ),
        (
            "a read outside of its memory",
            guest::widget("(i32.load (i32.const -4))", ""),
            Running(Trap),
        ),
        (
            "a call of nothing",
            guest::widget("(call_indirect $t (i32.const 0)) (i32.const 0)", "(table $t 1 funcref)"),
            Running(Trap),
        ),
        // What shows what it must not.
        (
            "a view outside of its memory",
            guest::widget("(i32.const -24)", ""),
            Running(Trap),
        ),
        (
            "a view of a million nodes",
            guest::widget(
                "(drop (memory.grow (i32.const 200))) (drop (call $text (i32.const 0) (i32.const 0))) (i32.store (i32.const 20) (i32.const 250000)) (i32.const 16)",
                "",
            ),
            Running(TooLarge),
        ),
        (
            "a view of a megabyte",
            guest::widget(
                "(drop (memory.grow (i32.const 20))) (call $text (i32.const 0) (i32.const 1000000))",
                "",
            ),
            Running(TooLarge),
        ),
        ("a view of 1,001 nodes", guest::showing(&many, &all), Shown),
        (
            "a text of 70,000 bytes",
            guest::showing(&[Made::Text(&huge_text)], &[0]),
            Shown,
        ),
        (
            "a node that is its own child",
            guest::showing(&[made("div", &[0])], &[0]),
            Shown,
        ),
        (
            "a cycle of two",
            guest::showing(&[made("div", &[1]), made("div", &[0])], &[0]),
            Shown,
        ),
        (
            "a cycle beside the tree",
            guest::showing(&[made("p", &[]), made("div", &[2]), made("div", &[1])], &[0]),
            Shown,
        ),
        (
            "two parents",
            guest::showing(&[made("div", &[2]), made("div", &[2]), made("p", &[])], &[0, 1]),
            Shown,
        ),
        (
            "a child that isn't there",
            guest::showing(&[made("div", &[7])], &[0]),
            Shown,
        ),
        (
            "a root that isn't there",
            guest::showing(&[made("div", &[])], &[u32::MAX]),
            Shown,
        ),
        ("40 levels", guest::showing(&deep, &[0]), Shown),
        (
            "a script",
            guest::showing(&[made("script", &[1]), Made::Text("alert(1)")], &[0]),
            Shown,
        ),
        (
            "a frame",
            guest::showing(&[with("iframe", "src", "https://example.org/")], &[0]),
            Shown,
        ),
        (
            "a style",
            guest::showing(&[made("style", &[1]), Made::Text("*{display:none}")], &[0]),
            Shown,
        ),
        (
            "a tag with markup in it",
            guest::showing(&[made("p><script>alert(1)</script", &[])], &[0]),
            Shown,
        ),
        (
            "an event handler",
            guest::showing(&[with("p", "onclick", "alert(1)")], &[0]),
            Shown,
        ),
        (
            "an inline style",
            guest::showing(&[with("p", "style", "position:fixed")], &[0]),
            Shown,
        ),
        ("an id", guest::showing(&[with("p", "id", "main")], &[0]), Shown),
        (
            "a javascript: link",
            guest::showing(&[with("a", "href", "javascript:alert(1)")], &[0]),
            Shown,
        ),
        (
            "a javascript: link in disguise",
            guest::showing(&[with("a", "href", " \tjAvAsCrIpT:alert(1)")], &[0]),
            Shown,
        ),
        (
            "a data: picture",
            guest::showing(&[with("img", "src", "data:text/html,<script>alert(1)</script>")], &[0]),
            Shown,
        ),
        (
            "an attribute with markup in it",
            guest::showing(&[with("p", "x\"><script>", "1")], &[0]),
            Shown,
        ),
        (
            "an action on a paragraph",
            guest::showing(&action("p", "go", ""), &[0]),
            Shown,
        ),
        (
            "an action without a name",
            guest::showing(&action("button", "", ""), &[0]),
            Shown,
        ),
        (
            "an action of a long name",
            guest::showing(&action("button", &long_name, ""), &[0]),
            Shown,
        ),
        (
            "an action of a long payload",
            guest::showing(&action("button", "go", &long_payload), &[0]),
            Shown,
        ),
    ]
}

#[tokio::test]
async fn hostile_plugins_are_contained_and_harm_nobody() {
    let stage = Stage::new(2);
    let hello = stage.compile(&guest::hello());
    let options = CompileOptions {
        executable: neospace(),
        ..CompileOptions::default()
    };
    for (name, wasm, expected) in hostile() {
        let begun = Instant::now();
        let (stopped, why) = match compile::component(stage.folder.path(), &SECRET, &wasm, &options) {
            Err(CompileFault::Refused(why)) => (Compiling, why),
            Err(fault) => panic!("{name}: {fault}"),
            Ok(component) => {
                let mut answer = |ask: Ask<'_>| match ask {
                    Ask::Get { .. } => OwnedAnswer::Value(Some(vec![0; 100])),
                    Ask::Put { .. } => OwnedAnswer::Refused(Refused::Full),
                    _ => OwnedAnswer::Done,
                };
                let (component, export) = (Arc::new(component), Export::Render(context()));
                match stage
                    .lanes
                    .call(&component, Grants(u8::MAX), LIMITS, PATIENT, export, &mut answer)
                    .await
                {
                    Err(Fault::Load(why)) => (Loading, why),
                    Err(Fault::Failed(failure, usage)) => {
                        assert!(
                            usage.fuel <= LIMITS.fuel && usage.memory_bytes <= LIMITS.memory_bytes,
                            "{name}: {usage:?}"
                        );
                        (Running(failure.kind), failure.detail)
                    }
                    Err(fault) => panic!("{name}: {fault}"),
                    Ok(finished) => {
                        let Outcome::View(view) = &finished.done().result else {
                            panic!("{name}: no view")
                        };
                        let why = write_html(view, Press::Inert, None, &mut String::new()).expect_err(name);
                        (Shown, why.to_string())
                    }
                }
            }
        };
        assert_eq!(stopped, expected, "{name}: {why}");
        assert!(!why.is_empty() && why.len() <= 4096, "{name} says why: {why}");
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{name} took {:?}",
            begun.elapsed()
        );
        assert_eq!(
            text(&stage.render(&hello).await.expect("the good one renders on")),
            "hello",
            "after {name}"
        );
    }
    let statistics = stage.lanes.statistics();
    assert_eq!((statistics.restarts, statistics.pids.len()), (0, 2), "no lane was lost");
}

#[tokio::test]
async fn hostile_stickers_are_refused() {
    let stage = Stage::new(1);
    let circle = || with("circle", "r", "4");
    for (name, wasm) in [
        ("a root that isn't a drawing", guest::drawing(&[made("div", &[])], 0)),
        ("no size", guest::drawing(&[made("svg", &[1]), circle()], 0)),
        ("a script", guest::drawing(&[sized(&[1]), made("script", &[])], 0)),
        (
            "HTML in a drawing",
            guest::drawing(&[sized(&[1]), made("foreignObject", &[])], 0),
        ),
        (
            "a link to elsewhere",
            guest::drawing(&[sized(&[1]), with("use", "href", "https://example.org/x.svg#a")], 0),
        ),
        (
            "a fill from elsewhere",
            guest::drawing(&[sized(&[1]), with("rect", "fill", "url(https://example.org/)")], 0),
        ),
        ("a node that is its own child", guest::drawing(&[sized(&[0])], 0)),
        ("a root that isn't there", guest::drawing(&[sized(&[])], 9)),
    ] {
        let component = stage.compile(&wasm);
        let export = Export::Draw(Params {
            seed: 1,
            wall: "ana",
            settings: "{}",
        });
        let mut answer = stage::never_asked;
        let drawn = stage
            .lanes
            .call(&component, Grants::default(), LIMITS, PATIENT, export, &mut answer)
            .await;
        let drawn = drawn.expect(name);
        let Outcome::Drawing(Ok(view)) = &drawn.done().result else {
            panic!("{name}: no drawing")
        };
        let why = write_svg(view, None, &mut String::new()).expect_err(name);
        assert!(!why.to_string().is_empty());
    }
}

fn sized(children: &[u32]) -> Made<'static> {
    Made::Element(MadeElement {
        tag: "svg",
        attributes: vec![("viewBox", "0 0 10 10")],
        children: children.to_vec(),
        ..MadeElement::default()
    })
}

#[tokio::test]
async fn work_just_under_the_limits_is_allowed_and_costs_what_it_costs() {
    let stage = Stage::new(1);
    let busy = stage.compile(&guest::widget(
        "(local $i i32)
        (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1300000))))
        (call $text (i32.const 1024) (i32.const 2))",
        r#"(data (i32.const 1024) "ok")"#,
    ));
    for _ in 0..3 {
        let finished = stage.render(&busy).await.expect("it renders");
        assert_eq!(text(&finished), "ok");
        let fuel = finished.done().usage.fuel;
        assert!((LIMITS.fuel / 2..LIMITS.fuel).contains(&fuel), "{fuel}");
    }
}

/// The good plugin with another memory.
fn guest_with_memory(memory: &str) -> Vec<u8> {
    let module = guest::hello_module().replace("(memory (export \"memory\") 2)", memory);
    // Where the 32-bit instructions don't fit the memory, only the memory is left.
    match wat::parse_str(&module) {
        Ok(_) if !memory.contains("i64") && !memory.contains("shared") => {
            guest::component("export neospace:plugin/widget@0.1.0;", &module)
        }
        _ => wat::parse_str(format!("(component (core module {memory}))")).expect("it parses"),
    }
}

/// With a first section of a kind that there isn't.
fn changed(mut wasm: Vec<u8>) -> Vec<u8> {
    wasm[8] = 0x7f;
    wasm
}

/// The good plugin with an import of this interface.
fn importing(interface: &str) -> Vec<u8> {
    let (package, name) = interface.split_once('/').expect("package/interface");
    let wit = format!("package {package}; interface {name} {{ get: func(); }}");
    let world = format!("import {interface}; export neospace:plugin/widget@0.1.0;");
    let core = format!(r#"(import "{interface}" "get" (func))"#);
    guest::component_with(&[&wit], &world, &guest::widget_module(&core, "(i32.const 0)", ""))
}

fn logging(body: &str) -> Vec<u8> {
    guest::widget_importing(LOG_WIT, LOG_CORE, &format!("{body} (i32.const 0)"), "")
}

fn asking(body: &str) -> Vec<u8> {
    guest::widget_importing(STORAGE_WIT, STORAGE_CORE, &format!("{body} (i32.const 0)"), "")
}
