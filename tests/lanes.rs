//! Plugins in their lanes: what comes out, what is contained, what nobody can break.

#[path = "lanes/guest.rs"]
#[allow(dead_code, reason = "each test of the lanes uses a part")]
mod guest;
#[path = "lanes/stage.rs"]
#[allow(dead_code, reason = "each test of the lanes uses a part")]
mod stage;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use guest::{COUNT_AND_SAY, ERROR_OF_PUT, KEY, LOG_CORE, LOG_WIT, SHOW_KEPT, STORAGE_CORE, STORAGE_WIT};
use neospace::plugins::compile::{self, CompileFault, CompileOptions, Component};
use neospace::plugins::lanes::{Fault, LaneOptions, Lanes, OwnedAnswer};
use neospace_runner::protocol::{Ask, CallLimits, Context, Export, FailureKind, Grants, Outcome, Scope};
use stage::{LIMITS, PATIENT, SECRET, Stage, beside, context, neospace, never_asked, text};
use tokio::task::JoinHandle;

#[tokio::test]
async fn a_widget_renders() {
    let stage = Stage::new(1);
    let hello = stage.compile(&guest::hello());
    let shown = stage.render(&hello).await.expect("it renders");
    assert_eq!(text(&shown), "hello");
}

#[tokio::test]
async fn a_click_reads_and_writes_what_the_module_keeps() {
    let stage = Stage::new(1);
    let counter = stage.compile(&guest::interactive(STORAGE_WIT, STORAGE_CORE, COUNT_AND_SAY));
    let mut asked = vec![];
    let mut answer = |ask: Ask<'_>| match ask {
        Ask::Add {
            scope: Scope::Installation,
            key,
            delta,
        } => {
            asked.push(format!("add {key} {delta}"));
            OwnedAnswer::Sum(delta + 40)
        }
        Ask::Put {
            scope: Scope::Installation,
            key,
            value,
            expires,
        } => {
            asked.push(format!("put {key} {value:?} {expires:?}"));
            OwnedAnswer::Done
        }
        Ask::Get {
            scope: Scope::Installation,
            key,
        } => {
            asked.push(format!("get {key}"));
            OwnedAnswer::Value(Some(b"kept!".to_vec()))
        }
        ask => never_asked(ask),
    };
    let done = stage
        .act(&counter, Grants::STORAGE, &mut answer)
        .await
        .expect("it acts");
    assert!(
        matches!(done.done().result, Outcome::Acted(Ok(Some("kept!")))),
        "{:?}",
        done.done()
    );
    drop(done);
    assert_eq!(
        asked,
        ["add visits 2", "put visits [118, 105, 115] Some(9)", "get visits"]
    );
}

#[tokio::test]
async fn what_is_not_granted_is_denied_without_a_question() {
    let stage = Stage::new(1);
    let counter = stage.compile(&guest::interactive(STORAGE_WIT, STORAGE_CORE, ERROR_OF_PUT));
    let without = Grants(u8::MAX).without(Grants::STORAGE);
    let done = stage.act(&counter, without, &mut never_asked).await.expect("it acts");
    assert!(
        matches!(done.done().result, Outcome::Acted(Err(("0", None)))),
        "denied: {:?}",
        done.done()
    );
}

#[tokio::test]
async fn rendering_writes_nothing() {
    let stage = Stage::new(1);
    let writer = stage.compile(&guest::widget_importing(
        STORAGE_WIT,
        STORAGE_CORE,
        r#"(call $put (i32.const 1024) (i32.const 5) (i32.const 1024) (i32.const 5) (i32.const 0) (i64.const 0)
            (i32.const 2048))
        (i32.store8 (i32.const 1024) (i32.add (i32.const 48) (i32.load8_u (i32.const 2049))))
        (call $text (i32.const 1024) (i32.const 1))"#,
        r#"(data (i32.const 1024) "hello")"#,
    ));
    let shown = stage.render(&writer).await.expect("it renders");
    assert_eq!(text(&shown), "1", "the number of `read-only` among storage's errors");
}

#[tokio::test]
async fn nothing_of_a_call_is_left_for_the_next() {
    let stage = Stage::new(1);
    let counter = stage.compile(&guest::widget(
        r#"(i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 1)))
        (call $text (i32.const 1024) (i32.const 1))"#,
        r#"(data (i32.const 1024) "a")"#,
    ));
    for _ in 0..3 {
        assert_eq!(text(&stage.render(&counter).await.expect("it renders")), "b");
    }
}

#[tokio::test]
async fn what_the_host_passes_in_costs_the_author_nothing() {
    let stage = Stage::new(1);
    let hello = stage.compile(&guest::hello());
    let mut fuel = vec![];
    for settings in ["{}".to_owned(), format!("{{\"text\":\"{}\"}}", "x".repeat(100_000))] {
        let export = Export::Render(Context {
            settings: &settings,
            ..context()
        });
        let shown = stage
            .lanes
            .call(&hello, Grants::default(), LIMITS, PATIENT, export, &mut never_asked)
            .await;
        fuel.push(shown.expect("it renders").done().usage.fuel);
    }
    assert_eq!(fuel[0], fuel[1], "a long setting costs as much as a short one");
    assert!(fuel[0] > 0, "what it does itself is charged");
}

#[tokio::test]
async fn an_allocator_that_works_for_itself_pays_for_it() {
    let stage = Stage::new(1);
    let module = guest::hello_module().replacen(
        "(local.get $at))",
        "(loop $l (br_if $l (i32.lt_u (local.tee $old (i32.add (local.get $old) (i32.const 1))) (i32.const 100000))))
        (local.get $at))",
        1,
    );
    let miner = stage.compile(&guest::component("export neospace:plugin/widget@0.1.0;", &module));
    let used = stage.render(&miner).await.expect("it renders").done().usage.fuel;
    assert!(used > 1_000_000, "three allocations of 100,000 rounds each cost {used}");
}

/// Renders a plugin that must fail in this way, then a good one in the same lane.
async fn contained(kind: FailureKind, wasm: &[u8]) -> String {
    let stage = Stage::new(1);
    let (bad, hello) = (stage.compile(wasm), stage.compile(&guest::hello()));
    stage.render(&hello).await.expect("it renders before");
    let Err(Fault::Failed(failure, usage)) = stage.render(&bad).await else {
        panic!("it does not fail")
    };
    assert_eq!(failure.kind, kind, "{}", failure.detail);
    assert!(failure.detail.len() <= 4096);
    assert!(
        usage.fuel <= LIMITS.fuel && usage.memory_bytes <= LIMITS.memory_bytes,
        "{usage:?}"
    );
    assert_eq!(text(&stage.render(&hello).await.expect("it renders after")), "hello");
    assert_eq!(stage.lanes.statistics().restarts, 0, "the lane lives on");
    failure.detail
}

#[tokio::test]
async fn a_trap_names_the_function_it_happened_in() {
    let wasm = guest::widget("(call $stumble) (i32.const 0)", "(func $stumble unreachable)");
    let detail = contained(FailureKind::Trap, &wasm).await;
    assert!(detail.contains("stumble") && detail.contains("unreachable"), "{detail}");
}

#[tokio::test]
async fn an_endless_loop_runs_out_of_fuel() {
    contained(FailureKind::Fuel, &guest::widget("(loop $l (br $l)) (i32.const 0)", "")).await;
}

#[tokio::test]
async fn a_start_function_that_loops_runs_out_of_fuel() {
    let wasm = guest::widget("(i32.const 0)", "(func $loop (loop $l (br $l))) (start $loop)");
    contained(FailureKind::Fuel, &wasm).await;
}

#[tokio::test]
async fn a_memory_bomb_meets_its_limit() {
    let body = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    contained(FailureKind::Memory, &guest::widget(body, "")).await;
}

#[tokio::test]
async fn a_component_that_begins_too_large_is_refused() {
    let wasm = guest::component(
        "export neospace:plugin/widget@0.1.0;",
        &guest::hello_module().replace("(memory (export \"memory\") 2)", "(memory (export \"memory\") 1000)"),
    );
    contained(FailureKind::Memory, &wasm).await;
}

#[tokio::test]
async fn a_table_bomb_meets_its_limit() {
    let body =
        "(loop $l (br_if $l (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    contained(FailureKind::Memory, &guest::widget(body, "(table $t 1 funcref)")).await;
}

#[tokio::test]
async fn deep_recursion_meets_the_end_of_the_stack() {
    let more = "(func $down (param i64) (result i64) (i64.add (call $down (local.get 0)) (local.get 0)))";
    contained(
        FailureKind::Stack,
        &guest::widget("(drop (call $down (i64.const 1))) (i32.const 0)", more),
    )
    .await;
}

#[tokio::test]
async fn a_view_of_too_many_nodes_is_not_sent() {
    let body = "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store (i32.const 20) (i32.const 4001)) \
        (drop (memory.grow (i32.const 8))) (i32.const 16)";
    let detail = contained(FailureKind::Result, &guest::widget(body, "")).await;
    assert!(detail.contains("4,000"), "{detail}");
}

#[tokio::test]
async fn a_text_of_a_megabyte_is_not_sent() {
    let body = "(drop (memory.grow (i32.const 20))) (call $text (i32.const 0) (i32.const 1000000))";
    contained(FailureKind::Result, &guest::widget(body, "")).await;
}

#[tokio::test]
async fn texts_that_lie_over_one_another_are_not_sent_a_thousand_times() {
    // 3,000 nodes that all are the same 60,000 bytes.
    let body =
        "(local $i i32) (drop (memory.grow (i32.const 8))) (drop (call $text (i32.const 4096) (i32.const 60000)))
        (i32.store (i32.const 16) (i32.const 131072)) (i32.store (i32.const 20) (i32.const 3000))
        (loop $l
            (i32.store (i32.add (i32.const 131076) (i32.mul (local.get $i) (i32.const 48))) (i32.const 4096))
            (i32.store (i32.add (i32.const 131080) (i32.mul (local.get $i) (i32.const 48))) (i32.const 60000))
            (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3000))))
        (i32.const 16)";
    contained(FailureKind::Result, &guest::widget(body, "")).await;
}

#[tokio::test]
async fn a_view_that_points_outside_of_memory_is_a_fault_of_the_plugin() {
    for body in [
        "(call $text (i32.const 0x7ffffff0) (i32.const 100))",
        "(call $text (i32.const 100) (i32.const -1))",
        "(i32.const 0x7ffffff0)",
        "(i32.const 3)",
        "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store8 (i32.const 64) (i32.const 7)) (i32.const 16)",
        "(i32.store8 (i32.const 512) (i32.const 255)) (call $text (i32.const 512) (i32.const 1))",
        "(drop (call $text (i32.const 0) (i32.const 0))) (i32.store8 (i32.const 32) (i32.const 2)) (i32.const 16)",
    ] {
        contained(FailureKind::Trap, &guest::widget(body, "")).await;
    }
}

#[tokio::test]
async fn endless_questions_end() {
    // 800 bytes each: bytes run out before calls. An empty one each: calls run out.
    for length in [800, 0] {
        let body =
            format!("(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const {length})) (br $l)) (i32.const 0)");
        let wasm = guest::widget_importing(LOG_WIT, LOG_CORE, &body, "");
        let stage = Stage::new(1);
        let chatter = stage.compile(&wasm);
        let mut lines = 0;
        let mut answer = |ask: Ask<'_>| {
            assert!(matches!(ask, Ask::Log { level: 1, .. }));
            lines += 1;
            OwnedAnswer::Done
        };
        let result = stage
            .lanes
            .call(
                &chatter,
                Grants::LOG,
                LIMITS,
                PATIENT,
                Export::Render(context()),
                &mut answer,
            )
            .await;
        let Err(Fault::Failed(failure, _)) = result.map(drop) else {
            panic!("it does not fail")
        };
        assert_eq!(failure.kind, FailureKind::HostCalls, "{}", failure.detail);
        assert!(lines <= LIMITS.host_calls && lines > 100, "{lines}");
        // Denied questions count too: they cost time that no fuel measures.
        let result = stage.render_granted(&chatter, Grants::default()).await;
        let Err(Fault::Failed(failure, _)) = result.map(drop) else {
            panic!("it does not fail")
        };
        assert_eq!(failure.kind, FailureKind::HostCalls);
    }
}

#[tokio::test]
async fn a_component_that_imports_what_is_not_there_does_not_load() {
    let stage = Stage::new(1);
    let wasm = guest::component(
        "import other: interface { peek: func(); }\nexport neospace:plugin/widget@0.1.0;",
        &guest::hello_module().replace("(module", r#"(module (import "other" "peek" (func))"#),
    );
    let Err(Fault::Load(why)) = stage.render(&stage.compile(&wasm)).await.map(drop) else {
        panic!("it loads")
    };
    assert!(why.contains("other"), "{why}");
}

#[tokio::test]
async fn a_plain_build_finds_an_empty_world() {
    let stage = Stage::new(1);
    // Prints "one", a newline and "two"; no variables, no file, a clock that stands at `now`; shows a random number.
    let plain = stage.compile(&guest::wasi_widget(
        r#"(local $i i32) (local $bits i64)
        (call $write (call $stdout) (i32.const 1024) (i32.const 7) (i32.const 2048))
        (if (i32.load8_u (i32.const 2048)) (then unreachable))
        (call $environment (i32.const 2048))
        (if (i32.load (i32.const 2052)) (then unreachable))
        (call $open (i32.const 1024) (i32.const 3) (i32.const 2048))
        (if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then unreachable))
        (if (i64.ne (call $now) (i64.mul (local.get $now) (i64.const 1000000))) (then unreachable))
        (local.set $bits (call $random))
        (if (i64.eq (local.get $bits) (call $random)) (then unreachable))
        (loop $digits
            (i32.store8 (i32.add (i32.const 3072) (local.get $i))
                (i32.add (i32.const 97) (i32.wrap_i64 (i64.and (local.get $bits) (i64.const 15)))))
            (local.set $bits (i64.shr_u (local.get $bits) (i64.const 4)))
            (br_if $digits (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
        (call $text (i32.const 3072) (i32.const 16))"#,
        r#"(data (i32.const 1024) "one\0atwo")"#,
    ));
    let mut lines = vec![];
    let mut numbers = vec![];
    for seed in [1, 1, 2] {
        let mut answer = |ask: Ask<'_>| match ask {
            Ask::Log { level: 1, message } => {
                lines.push(message.to_owned());
                OwnedAnswer::Done
            }
            ask => never_asked(ask),
        };
        let export = Export::Render(Context { seed, ..context() });
        let shown = stage
            .lanes
            .call(&plain, Grants::LOG, LIMITS, PATIENT, export, &mut answer)
            .await;
        numbers.push(text(&shown.expect("it renders")).to_owned());
    }
    assert_eq!(lines, ["one", "two", "one", "two", "one", "two"]);
    assert_eq!(
        numbers[0], numbers[1],
        "the same module at the same time gets the same numbers"
    );
    assert_ne!(numbers[0], numbers[2]);
}

#[tokio::test]
async fn leaving_and_sleeping_end_the_call() {
    for (body, why) in [
        ("(call $exit (i32.const 0))", "exit"),
        ("(call $sleep (i64.const 1))", "subscribe-duration"),
    ] {
        let wasm = guest::wasi_widget(&format!("{body} (i32.const 0)"), "");
        let detail = contained(FailureKind::Trap, &wasm).await;
        assert!(detail.contains(why), "{detail}");
    }
}

#[tokio::test]
async fn a_component_that_wants_a_network_does_not_load() {
    let stage = Stage::new(1);
    let sockets = "package wasi:sockets@0.2.6; interface tcp { connect: func(); }";
    let world = "import wasi:sockets/tcp@0.2.6; export neospace:plugin/widget@0.1.0;";
    let core = r#"(import "wasi:sockets/tcp@0.2.6" "connect" (func $connect))"#;
    let wasm = guest::component_with(
        &[sockets],
        world,
        &guest::widget_module(core, "(call $connect) (i32.const 0)", ""),
    );
    let Err(Fault::Load(why)) = stage.render(&stage.compile(&wasm)).await.map(drop) else {
        panic!("it loads")
    };
    assert!(why.contains("wasi:sockets/tcp"), "{why}");
}

#[tokio::test]
async fn a_lane_holds_so_many_components_and_no_more() {
    let stage = Stage::new(1);
    let all: Vec<_> = (0..70u8)
        .map(|number| {
            let text = format!("plugin {number:02}");
            let wasm = guest::widget(
                "(call $text (i32.const 1024) (i32.const 9))",
                &format!(r#"(data (i32.const 1024) "{text}")"#),
            );
            (text, stage.compile(&wasm))
        })
        .collect();
    // Twice: the first ones are gone from the lane when their turn comes again.
    for (text_shown, component) in all.iter().chain(&all) {
        assert_eq!(text(&stage.render(component).await.expect("it renders")), text_shown);
    }
    assert_eq!(stage.lanes.statistics().restarts, 0);
}

#[tokio::test]
async fn what_a_plugin_took_goes_back_when_its_call_ends() {
    let stage = Stage::new(1);
    let hello = stage.compile(&guest::hello());
    // Takes 15 MiB and writes to every page of it.
    let hog = stage.compile(&guest::widget(
        "(local $at i32) (if (i32.eq (memory.grow (i32.const 238)) (i32.const -1)) (then unreachable))
        (local.set $at (i32.const 131072))
        (loop $pages
            (i32.store (local.get $at) (i32.const 1))
            (br_if $pages
                (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const 15728640))))
        (call $text (i32.const 1024) (i32.const 2))",
        r#"(data (i32.const 1024) "ok")"#,
    ));
    let stumbler = stage.compile(&guest::widget("unreachable", ""));
    let round = async || {
        stage.render(&hello).await.expect("it renders");
        stage.render(&hog).await.expect("it renders");
        assert!(stage.render(&stumbler).await.is_err());
    };
    for _ in 0..20 {
        round().await;
    }
    let before = resident(stage.lanes.statistics().pids[0]);
    for _ in 0..100 {
        round().await;
    }
    let after = resident(stage.lanes.statistics().pids[0]);
    assert_eq!(stage.lanes.statistics().restarts, 0);
    assert!(
        after < before + (1 << 20) && after < 32 << 20,
        "from {before} to {after} bytes"
    );
}

/// What a process has in memory, in bytes.
fn resident(pid: u32) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).expect("it lives");
    let pages: u64 = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4096
}

#[tokio::test]
async fn lanes_end_with_their_host() {
    let stage = Stage::new(2);
    let hello = stage.compile(&guest::hello());
    while stage.lanes.statistics().idle < 2 {
        tokio::task::yield_now().await;
    }
    stage.render(&hello).await.expect("it renders");
    let pids = stage.lanes.statistics().pids;
    assert_eq!(pids.len(), 2);
    drop(stage);
    // Dropping waits for the processes: their numbers are free again.
    for pid in pids {
        // SAFETY: signal 0 asks whether there is such a process.
        assert_eq!(unsafe { libc::kill(pid.cast_signed(), 0) }, -1, "{pid} lives on");
    }
}

#[tokio::test]
async fn an_export_that_is_missing_is_said_to_be() {
    let stage = Stage::new(1);
    let Err(Fault::Failed(failure, _)) = stage
        .act(&stage.compile(&guest::hello()), Grants::default(), &mut never_asked)
        .await
        .map(drop)
    else {
        panic!("it acts")
    };
    assert_eq!(failure.kind, FailureKind::Instantiate);
}

#[tokio::test]
async fn a_lane_that_stands_still_is_killed_and_its_plugin_not_blamed() {
    let stage = Stage::new(1);
    let hello = stage.compile(&guest::hello());
    stage.render(&hello).await.expect("it renders");
    let pid = stage.lanes.statistics().pids[0];
    signal(pid, libc::SIGSTOP);
    let begun = Instant::now();
    let result = stage.render_with(&hello, LIMITS, Duration::from_millis(100)).await;
    assert!(matches!(result, Err(Fault::Stalled)), "{:?}", result.map(drop));
    assert!(begun.elapsed() >= Duration::from_millis(100) && begun.elapsed() < Duration::from_secs(5));
    assert_eq!(text(&stage.render(&hello).await.expect("a new lane renders")), "hello");
    let statistics = stage.lanes.statistics();
    assert_eq!((statistics.restarts, statistics.pids.contains(&pid)), (1, false));
}

#[tokio::test]
async fn a_lane_killed_under_a_render_is_replaced_and_the_render_repeated() {
    let stage = Stage::new(1);
    let asker = stage.compile(&guest::widget_importing(STORAGE_WIT, STORAGE_CORE, SHOW_KEPT, KEY));
    let lanes = stage.lanes.clone();
    let mut asked = 0;
    let mut answer = |_: Ask<'_>| {
        asked += 1;
        if asked == 1 {
            signal(lanes.statistics().pids[0], libc::SIGKILL);
        }
        OwnedAnswer::Value(Some(b"kept!".to_vec()))
    };
    let export = Export::Render(context());
    let shown = stage
        .lanes
        .call(&asker, Grants::STORAGE, LIMITS, PATIENT, export, &mut answer)
        .await;
    assert_eq!(text(&shown.expect("it renders in the end")), "kept!");
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_lane_killed_under_a_click_is_replaced_and_the_click_not_repeated() {
    let stage = Stage::new(1);
    let counter = stage.compile(&guest::interactive(STORAGE_WIT, STORAGE_CORE, COUNT_AND_SAY));
    let lanes = stage.lanes.clone();
    let mut asked = 0;
    let mut answer = |_: Ask<'_>| {
        asked += 1;
        signal(lanes.statistics().pids[0], libc::SIGKILL);
        OwnedAnswer::Sum(1)
    };
    let result = stage.act(&counter, Grants::STORAGE, &mut answer).await;
    assert!(matches!(result, Err(Fault::LaneDied)), "{:?}", result.map(drop));
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_click_finds_a_living_lane_when_the_idle_one_was_killed() {
    let stage = Stage::new(1);
    let counter = stage.compile(&guest::interactive(STORAGE_WIT, STORAGE_CORE, ERROR_OF_PUT));
    stage
        .act(&counter, Grants::default(), &mut never_asked)
        .await
        .expect("it acts");
    let pid = stage.lanes.statistics().pids[0];
    signal(pid, libc::SIGKILL);
    // Dead is when the kernel says so: its end of the socket is closed then.
    while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
    stage
        .act(&counter, Grants::default(), &mut never_asked)
        .await
        .expect("it acts again");
    assert_eq!(stage.lanes.statistics().restarts, 1);
}

/// Fuel that no test lives to see the end of.
const ENDLESS: CallLimits = CallLimits {
    fuel: u64::MAX >> 1,
    ..LIMITS
};

/// Runs a plugin that logs once and then loops for ever; answers when it is in its loop.
async fn busy(stage: &Arc<Stage>, spinner: &Arc<Component>) -> JoinHandle<Result<(), Fault>> {
    let (stage, spinner) = (Arc::clone(stage), Arc::clone(spinner));
    let (begun, running) = tokio::sync::oneshot::channel();
    let mut begun = Some(begun);
    let call = tokio::spawn(async move {
        let mut answer = |_: Ask<'_>| {
            let _ = begun.take().map(|begun| begun.send(()));
            OwnedAnswer::Done
        };
        let export = Export::Render(context());
        stage
            .lanes
            .call(&spinner, Grants::LOG, ENDLESS, PATIENT, export, &mut answer)
            .await
            .map(drop)
    });
    running.await.expect("it begins");
    call
}

fn spinner(stage: &Stage) -> Arc<Component> {
    let body = "(call $log (i32.const 1) (i32.const 0) (i32.const 0)) (loop $l (br $l)) (i32.const 0)";
    stage.compile(&guest::widget_importing(LOG_WIT, LOG_CORE, body, ""))
}

#[tokio::test]
async fn a_revoked_plugin_stops_at_once_running_or_waiting() {
    let stage = Arc::new(Stage::new(1));
    let (spinner, hello) = (spinner(&stage), stage.compile(&guest::hello()));
    let running = busy(&stage, &spinner).await;
    let waiting = tokio::spawn({
        let (stage, spinner) = (Arc::clone(&stage), Arc::clone(&spinner));
        async move { stage.render(&spinner).await.map(drop) }
    });
    while stage.lanes.statistics().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let revoked = Instant::now();
    stage.lanes.cancel(&spinner);
    assert!(matches!(running.await.expect("no panic"), Err(Fault::Cancelled)));
    assert!(matches!(waiting.await.expect("no panic"), Err(Fault::Cancelled)));
    assert!(revoked.elapsed() < Duration::from_secs(1));
    let late = stage.render(&spinner).await.map(drop);
    assert!(
        matches!(late, Err(Fault::Cancelled)),
        "whoever still holds it calls in vain: {late:?}"
    );
    assert_eq!(text(&stage.render(&hello).await.expect("others render")), "hello");
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_stopped() {
    let stage = Arc::new(Stage::new(1));
    let (spinner, hello) = (spinner(&stage), stage.compile(&guest::hello()));
    let call = busy(&stage, &spinner).await;
    call.abort();
    assert_eq!(
        text(&stage.render(&hello).await.expect("the lane is free again")),
        "hello"
    );
}

#[tokio::test]
async fn a_plugin_that_hogs_does_not_keep_others_out() {
    let stage = Arc::new(Stage::new(2));
    let (spinner, hello) = (spinner(&stage), stage.compile(&guest::hello()));
    let hogs: Vec<_> = (0..40)
        .map(|_| {
            let (stage, spinner) = (Arc::clone(&stage), Arc::clone(&spinner));
            tokio::spawn(async move {
                let mut answer = |_: Ask<'_>| OwnedAnswer::Done;
                let (export, deadline) = (Export::Render(context()), Duration::from_millis(100));
                stage
                    .lanes
                    .call(&spinner, Grants::LOG, ENDLESS, deadline, export, &mut answer)
                    .await
                    .map(drop)
            })
        })
        .collect();
    while stage.lanes.statistics().waiting == 0 {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    let waiting = stage.lanes.statistics().waiting;
    assert_eq!(text(&stage.render(&hello).await.expect("it renders")), "hello");
    let left = stage.lanes.statistics().waiting;
    assert!(
        left + 6 > waiting && left > 0,
        "{waiting} were in front, {left} are left after {:?}",
        begun.elapsed()
    );
    stage.lanes.cancel(&spinner);
    for hog in hogs {
        assert!(hog.await.expect("no panic").is_err());
    }
}

#[tokio::test]
async fn when_too_many_wait_the_next_is_told_so() {
    let stage = Arc::new(Stage::new(1));
    let spinner = spinner(&stage);
    let running = busy(&stage, &spinner).await;
    let waiting: Vec<_> = (0..64)
        .map(|_| {
            let (stage, spinner) = (Arc::clone(&stage), Arc::clone(&spinner));
            tokio::spawn(async move { stage.render(&spinner).await.map(drop) })
        })
        .collect();
    while stage.lanes.statistics().waiting < 64 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(stage.render(&spinner).await.map(drop), Err(Fault::Busy)));
    stage.lanes.cancel(&spinner);
    for call in waiting.into_iter().chain([running]) {
        assert!(matches!(call.await.expect("no panic"), Err(Fault::Cancelled)));
    }
}

// ---- compiling ----

fn compile(stage: &Stage, wasm: &[u8]) -> Result<Component, CompileFault> {
    let options = CompileOptions {
        executable: neospace(),
        ..CompileOptions::default()
    };
    compile::component(stage.folder.path(), &SECRET, wasm, &options)
}

#[tokio::test]
async fn what_is_not_a_component_is_refused_with_a_reason() {
    let stage = Stage::new(1);
    let module = wat::parse_str("(module)").expect("it parses");
    let mut truncated = guest::hello();
    truncated.truncate(truncated.len() / 2);
    for (wasm, why) in [
        (&module[..], "core"),
        (b"hello", "not WebAssembly"),
        (b"", "not WebAssembly"),
        (&truncated, ""),
    ] {
        let Err(CompileFault::Refused(said)) = compile(&stage, wasm) else {
            panic!("it compiles")
        };
        assert!(said.contains(why) && !said.is_empty(), "{said}");
    }
    let large = vec![0; (4 << 20) + 1];
    assert!(matches!(compile(&stage, &large), Err(CompileFault::TooLarge { .. })));
}

#[tokio::test]
async fn features_that_are_switched_off_are_refused() {
    let stage = Stage::new(1);
    for module in [
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
        "(module (tag))",
        "(module (type (struct)))",
    ] {
        let wasm = wat::parse_str(format!("(component (core {}", &module[1..]) + ")").expect("it parses");
        assert!(
            matches!(compile(&stage, &wasm), Err(CompileFault::Refused(_))),
            "{module}"
        );
    }
}

#[tokio::test]
async fn a_component_that_takes_too_long_to_compile_is_given_up() {
    let stage = Stage::new(1);
    let options = CompileOptions {
        executable: neospace(),
        deadline: Duration::from_millis(1),
        ..Default::default()
    };
    let result = compile::component(stage.folder.path(), &SECRET, &guest::hello(), &options);
    assert!(matches!(result, Err(CompileFault::Deadline(_))), "{result:?}");
}

#[tokio::test]
async fn a_bomb_for_the_compiler_goes_off_in_its_own_process() {
    let stage = Stage::new(1);
    // Fifty thousand blocks, each within the other, and twenty thousand functions: cheap to write, dear to compile.
    let body = format!(
        "{}{}",
        "block i32.const 0 br_if 0 ".repeat(50_000),
        "end ".repeat(50_000)
    );
    let calls = "(func (param i32 i32) (local i64 i64 i64 i64) i32.const 1 if nop end)".repeat(20_000);
    let module = format!("(module (memory (export \"memory\") 1) (func {body}) {calls})");
    let wasm = wat::parse_str(format!("(component (core {}", &module[1..]) + ")").expect("it parses");
    let options = CompileOptions {
        executable: neospace(),
        deadline: Duration::from_millis(300),
        ..CompileOptions::default()
    };
    let begun = Instant::now();
    let result = compile::component(stage.folder.path(), &SECRET, &wasm, &options);
    assert!(matches!(result, Err(CompileFault::Deadline(_))), "{result:?}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn compiled_code_is_kept_and_what_was_tampered_with_is_never_loaded() {
    use std::os::unix::fs::PermissionsExt;
    let stage = Stage::new(1);
    let first = stage.compile(&guest::hello());
    let files = || -> Vec<PathBuf> {
        std::fs::read_dir(stage.folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .collect()
    };
    let [file] = &files()[..] else { panic!("one file") };
    let whole = std::fs::read(file).expect("it can be read");
    assert_eq!(
        std::fs::metadata(file).expect("it is there").permissions().mode() & 0o777,
        0o600
    );
    // The second time it comes from the file: a compiler that can't be started is not missed.
    let nothing = CompileOptions {
        executable: PathBuf::from("/nowhere"),
        ..CompileOptions::default()
    };
    let again = compile::component(stage.folder.path(), &SECRET, &guest::hello(), &nothing).expect("from the file");
    assert_eq!((again.hash, &again.inspection), (first.hash, &first.inspection));
    // A byte that is another, a file that ends too early, another server's seal: compiled anew.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [&flipped[..], &whole[..whole.len() - 1], b""] {
        std::fs::write(file, bad).expect("it can be written");
        let result = compile::component(stage.folder.path(), &SECRET, &guest::hello(), &nothing);
        assert!(matches!(result, Err(CompileFault::Died(_))), "{result:?}");
        let anew = stage.compile(&guest::hello());
        assert_eq!(text(&stage.render(&anew).await.expect("it renders")), "hello");
        assert_eq!(std::fs::read(file).expect("it is whole again").len(), whole.len());
    }
    let result = compile::component(stage.folder.path(), &[8; 32], &guest::hello(), &nothing);
    assert!(matches!(result, Err(CompileFault::Died(_))), "{result:?}");
}

fn signal(pid: u32, signal: i32) {
    // SAFETY: sends a signal; the process is a lane of this test.
    assert_eq!(unsafe { libc::kill(pid.cast_signed(), signal) }, 0);
}

// ---- a lane that is not ours ----

/// Lanes that are a hostile program, with what it does.
fn hostile(attack: &str) -> Stage {
    let options = LaneOptions {
        lanes: 1,
        executable: beside("hostile_lane"),
        arguments: vec![attack.to_owned()],
        ..LaneOptions::default()
    };
    Stage {
        lanes: Lanes::start(options).expect("lanes start"),
        folder: tempfile::tempdir().expect("a folder"),
    }
}

async fn attacked(attack: &str) -> Fault {
    let stage = hostile(attack);
    let hello = stage.compile(&guest::hello());
    let (export, deadline) = (Export::Render(context()), Duration::from_millis(500));
    // A pseudonym is nobody's to refuse.
    let mut answer = |ask: Ask<'_>| match ask {
        Ask::Pseudonym => OwnedAnswer::Name(None),
        ask => never_asked(ask),
    };
    match stage
        .lanes
        .call(&hello, Grants::default(), LIMITS, deadline, export, &mut answer)
        .await
    {
        Ok(_) => panic!("{attack}: the host believes it"),
        Err(fault) => fault,
    }
}

#[tokio::test]
async fn a_hostile_lane_is_not_believed() {
    for attack in [
        "garbage",
        "oversized-frame",
        "two-frames",
        "trailing-bytes",
        "invalid-utf8",
        "million-nodes-claimed",
        "result-of-another-export",
        "loaded-in-a-call",
        "ready-twice",
        "unending-questions",
    ] {
        let fault = attacked(attack).await;
        assert!(matches!(fault, Fault::Protocol(_)), "{attack}: {fault:?}");
    }
    let Fault::Failed(failure, usage) = attacked("boasts").await else {
        panic!("it fails")
    };
    assert!(failure.detail.len() <= 4096, "{} bytes of detail", failure.detail.len());
    assert!(
        usage.fuel <= LIMITS.fuel && usage.memory_bytes <= LIMITS.memory_bytes,
        "{usage:?}"
    );
    for attack in ["half-a-frame-and-silence", "silence", "drip"] {
        let fault = attacked(attack).await;
        assert!(matches!(fault, Fault::Deadline | Fault::Stalled), "{attack}: {fault:?}");
    }
    let fault = attacked("death").await;
    assert!(matches!(fault, Fault::LaneDied), "{fault:?}");
    let fault = attacked("lies-about-loading").await;
    assert!(matches!(fault, Fault::Protocol(_)), "{fault:?}");
}

#[tokio::test]
async fn a_hostile_lane_asks_for_nothing_that_was_not_granted() {
    // It asks for everything; `never_asked` is not called, and the lane must hear "denied" or "read-only" each time.
    let stage = hostile("ask-for-everything");
    let hello = stage.compile(&guest::hello());
    let shown = stage
        .render_granted(&hello, Grants::default())
        .await
        .expect("it says what it heard");
    assert_eq!(text(&shown), "Denied Denied Denied Denied Denied Denied Denied Denied");
    let writes = Grants::STORAGE
        .or(Grants::SHARED_STORAGE)
        .or(Grants::LIVE)
        .or(Grants::NOTIFY_OWNER);
    let stage = hostile("write-everything");
    let shown = stage
        .render_granted(&hello, writes)
        .await
        .expect("it says what it heard");
    assert_eq!(text(&shown), "ReadOnly ReadOnly ReadOnly ReadOnly ReadOnly");
}

#[tokio::test]
async fn lanes_that_never_start_make_no_busy_host() {
    for attack in ["death-at-start", "garbage-at-start"] {
        let stage = hostile(attack);
        let hello = stage.compile(&guest::hello());
        let fault = stage.render(&hello).await.map(drop);
        assert!(matches!(fault, Err(Fault::Busy)), "{attack}: {fault:?}");
        let restarts = stage.lanes.statistics().restarts;
        assert!((2..=10).contains(&restarts), "{attack}: {restarts} in two seconds");
    }
}

#[tokio::test]
async fn the_host_can_insist_on_confinement() {
    let options = LaneOptions {
        executable: beside("hostile_lane"),
        arguments: vec!["silence".to_owned()],
        ..required()
    };
    let error = Lanes::start(options).map(drop).expect_err("no layer is in force");
    assert!(error.to_string().contains("seccomp"), "{error}");
    // Ours: starts when this kernel has everything, and says what is missing when not.
    match Lanes::start(LaneOptions {
        executable: neospace(),
        ..required()
    }) {
        Ok(lanes) => assert_eq!(lanes.statistics().missing_layers, [""; 0]),
        Err(error) => assert!(error.to_string().contains("landlock"), "{error}"),
    }
}

fn required() -> LaneOptions {
    LaneOptions {
        lanes: 1,
        require_confinement: true,
        ..LaneOptions::default()
    }
}

// ---- confinement ----

/// What the confined program does, and how it must end: with an error of its own, or killed.
#[test]
fn whoever_breaks_out_of_the_sandbox_finds_nothing() {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    for attack in [
        "read-file",
        "write-file",
        "create-file",
        "read-environment",
        "read-parent-memory",
        "list-processes",
        "connect",
        "connect-unix",
        "listen",
        "signal-parent",
        "fork",
        "thread",
        "exec",
        "trace-parent",
        "map-executable",
        "map-writable-executable",
        "mount",
        "change-user",
        "read-inherited",
        "big-file",
        "raise-limits",
        "io-uring",
    ] {
        let mut command = std::process::Command::new(beside("confined"));
        command
            .arg(attack)
            .arg(secret.path())
            .env("NEOSPACE_TEST_SECRET", "hunter2");
        let output = command.output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.starts_with("confined"), "{attack}: {output:?}");
        assert!(!said.contains("succeeded"), "{attack}: {said}");
        assert!(
            said.contains("failed") || output.status.code().is_none(),
            "{attack}: {output:?}"
        );
    }
    // The same program without an attack ends well: it is the attack that fails, not the program.
    let output = std::process::Command::new(beside("confined"))
        .arg("nothing")
        .arg(secret.path())
        .output();
    let output = output.expect("it starts");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("succeeded"),
        "{output:?}"
    );
}

#[test]
fn a_confined_process_cannot_take_the_machines_memory() {
    let output = std::process::Command::new(beside("confined"))
        .arg("memory")
        .arg("/")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let mib = said
        .split_once("took ")
        .and_then(|(_, rest)| rest.split_once(" MiB")?.0.parse::<u64>().ok());
    let mib = mib.expect("it says how much it got");
    assert!((1..=70).contains(&mib), "{said}");
}
