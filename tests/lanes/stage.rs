//! What every test of the lanes stands on: the real program's lanes, a folder for compiled plugins, usual arguments.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use neospace::plugins::compile::{self, CompileOptions, Component};
use neospace::plugins::lanes::{Fault, Finished, LaneOptions, Lanes, OwnedAnswer};
use neospace_runner::protocol::{Ask, CallLimits, Context, Export, Grants, Node, Outcome, Submission, ViewerClass};

pub const LIMITS: CallLimits = CallLimits {
    fuel: 10_000_000,
    memory_bytes: 16 << 20,
    table_elements: 10_000,
    host_call_bytes: 256 << 10,
    host_calls: 1_000,
};
/// Far more than any call here needs, so that a busy machine fails no test.
pub const PATIENT: Duration = Duration::from_secs(20);
pub const SECRET: [u8; 32] = [7; 32];

/// The program under test; cargo has built it beside this test.
pub fn neospace() -> PathBuf {
    beside("neospace")
}

/// A program that is built into the same folder.
pub fn beside(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("tests lie two folders deep");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: build the workspace first",
        program.display()
    );
    program
}

pub struct Stage {
    pub lanes: Lanes,
    pub folder: tempfile::TempDir,
}

impl Stage {
    pub fn new(lanes: usize) -> Self {
        let options = LaneOptions {
            lanes,
            executable: neospace(),
            ..LaneOptions::default()
        };
        Self {
            lanes: Lanes::start(options).expect("lanes start"),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn compile(&self, wasm: &[u8]) -> Arc<Component> {
        let options = CompileOptions {
            executable: neospace(),
            ..CompileOptions::default()
        };
        Arc::new(compile::component(self.folder.path(), &SECRET, wasm, &options).expect("it compiles"))
    }

    pub async fn render(&self, component: &Arc<Component>) -> Result<Finished, Fault> {
        self.render_with(component, LIMITS, PATIENT).await
    }

    pub async fn render_with(
        &self,
        component: &Arc<Component>,
        limits: CallLimits,
        deadline: Duration,
    ) -> Result<Finished, Fault> {
        let all = Grants(u8::MAX);
        self.lanes
            .call(
                component,
                all,
                limits,
                deadline,
                Export::Render(context()),
                &mut never_asked,
            )
            .await
    }

    pub async fn render_granted(&self, component: &Arc<Component>, grants: Grants) -> Result<Finished, Fault> {
        self.lanes
            .call(
                component,
                grants,
                LIMITS,
                PATIENT,
                Export::Render(context()),
                &mut never_asked,
            )
            .await
    }

    pub async fn act(
        &self,
        component: &Arc<Component>,
        grants: Grants,
        answer: &mut (dyn FnMut(Ask<'_>) -> OwnedAnswer + Send),
    ) -> Result<Finished, Fault> {
        let submission = Submission {
            name: "sign",
            payload: "7",
            fields: vec![("line", "hi"), ("colour", "red")],
        };
        let export = Export::Act(context(), submission);
        self.lanes
            .call(component, grants, LIMITS, PATIENT, export, answer)
            .await
    }
}

pub fn context() -> Context<'static> {
    Context {
        now: 1_790_000_000_000,
        seed: 42,
        utc_offset_minutes: 120,
        locale: "en",
        wall: "ana",
        viewer: ViewerClass::Guest,
        width: 2,
        height: 4,
        settings: r#"{"title":"Hello"}"#,
    }
}

/// Answers for a plugin that has nothing to ask.
pub fn never_asked(ask: Ask<'_>) -> OwnedAnswer {
    panic!("the plugin asked {ask:?}")
}

/// The text of a view that is one text.
pub fn text(finished: &Finished) -> &str {
    let Outcome::View(view) = &finished.done().result else {
        panic!("{:?}", finished.done())
    };
    let [Node::Text(text)] = view.nodes[..] else {
        panic!("{:?}", view.nodes)
    };
    text
}
