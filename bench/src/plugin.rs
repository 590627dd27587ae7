//! `plugin_render`: one render in a fresh instance, from the host to a confined lane and back, to HTML.

use std::{
    fmt::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use neospace::plugins::{
    compile::{self, CompileOptions},
    lanes::{LaneOptions, Lanes, OwnedAnswer},
    view::{Press, write_html},
};
use neospace_runner::protocol::{self, CallLimits, Export, Grants, Outcome, ViewerClass};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{Component, Linker},
};

use crate::{
    machine,
    report::{Bar, Row, median},
    site,
};

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(1_000);
/// What goes in, in bytes.
const SETTINGS: usize = 4 * 1024;
/// What comes out.
const NODES: usize = 200;
const FUEL: u64 = 10_000_000;
const MEMORY: usize = 16 << 20;
/// The wall that the module stands on.
const WALL: &str = "ana";

/// The contract, as anyone would bind it.
mod contract {
    wasmtime::component::bindgen!({ path: "../plugin-api/wit", world: "widget-plugin" });
}
use contract::neospace::plugin::types;

/// Measures the processor time of host and lane together.
pub fn plugin_render() -> Result<Vec<Row>> {
    let guest = site::guest("bench-tree")?;
    let settings = settings();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Everything on one core, and nothing else on it: what is counted is work, and no waiting for one another.
    machine::pin(machine::cores().0)?;
    let product = runtime.block_on(async { Product::start(&guest.wasm) })?;
    let bare = Bare::new(&guest.wasm).map_err(of_wasmtime)?;
    let (html, expected) = (runtime.block_on(product.render(&settings))?, bare.render(&settings)?);
    ensure!(html == expected, "the product and the baseline render differently");

    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    let mut renders = 0;
    for _ in 0..ROUNDS {
        let (lanes, before, start) = (product.lanes_cpu(), machine::own_cpu(), Instant::now());
        let mut count = 0;
        runtime.block_on(async {
            while start.elapsed() < ROUND {
                product.render(&settings).await?;
                count += 1;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        let cpu = (machine::own_cpu() - before) + (product.lanes_cpu() - lanes);
        ours.push(cpu.as_secs_f64() * 1e6 / f64::from(count));
        renders += count;

        let (before, start) = (machine::thread_cpu(), Instant::now());
        let mut count = 0;
        while start.elapsed() < ROUND {
            bare.render(&settings)?;
            count += 1;
        }
        baseline.push((machine::thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(count));
    }
    let note = format!(
        "{} bytes of settings in, {NODES} nodes out, {} bytes of HTML; {renders} renders, host and lane on one core",
        settings.len(),
        html.len()
    );
    Ok(vec![Row::new(
        "plugin_render",
        median(ours),
        median(baseline),
        "µs CPU",
        Bar::RatioAtMost(1.6),
        note,
    )])
}

/// [`SETTINGS`] bytes: 32 lines of a guestbook.
fn settings() -> String {
    let mut settings = String::from("{\"lines\":[");
    for n in 0..32 {
        let comma = if n == 0 { "" } else { "," };
        let text = "Was here on a rainy Saturday, liked the pet & fed it <twice>. Will be back.";
        // Writing into a String cannot fail.
        let _ = write!(settings, "{comma}{{\"name\":\"visitor-{n:02}\",\"text\":\"{text}\"}}");
    }
    settings.push_str("]}");
    let missing = SETTINGS.saturating_sub(settings.len());
    settings.truncate(settings.len() - 4);
    settings + &"!".repeat(missing) + "\"}]}"
}

/// The product's way.
struct Product {
    lanes: Lanes,
    component: Arc<compile::Component>,
}

impl Product {
    fn start(wasm: &[u8]) -> Result<Self> {
        let folder = tempfile::tempdir_in(crate::scratch()?)?;
        // `compile` and `lane` are this program too, as they are the product's.
        let component = compile::component(
            &folder.path().join("compiled"),
            &[7; 32],
            wasm,
            &CompileOptions::default(),
        )?;
        let lanes = Lanes::start(LaneOptions {
            lanes: 1,
            require_confinement: true,
            ..LaneOptions::default()
        })?;
        Ok(Self {
            lanes,
            component: Arc::new(component),
        })
    }

    fn lanes_cpu(&self) -> Duration {
        self.lanes.statistics().pids.into_iter().map(machine::cpu_of).sum()
    }

    async fn render(&self, settings: &str) -> Result<String> {
        let context = protocol::Context {
            now: 1_763_700_000_000,
            seed: 1,
            utc_offset_minutes: 60,
            locale: "en",
            wall: WALL,
            viewer: ViewerClass::Guest,
            width: 2,
            height: 4,
            settings,
        };
        let limits = CallLimits {
            fuel: FUEL,
            memory_bytes: MEMORY as u64,
            table_elements: 10_000,
            host_call_bytes: 256 * 1024,
            host_calls: 1_000,
        };
        let export = Export::Render(context);
        let deadline = Duration::from_secs(1);
        let mut answer = |_: protocol::Ask<'_>| OwnedAnswer::Done;
        let call = self.lanes.call(
            &self.component,
            Grants::default(),
            limits,
            deadline,
            export,
            &mut answer,
        );
        let finished = call.await?;
        let Outcome::View(view) = &finished.done().result else {
            return Err(anyhow!("a render ended in something else than a view"));
        };
        html(view)
    }
}

/// The same in this process, with wasmtime and nothing around it.
struct Bare {
    engine: Engine,
    plugin: contract::WidgetPluginPre<()>,
}

impl Bare {
    fn new(wasm: &[u8]) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_memories(1)
            .total_tables(4)
            .total_core_instances(8)
            .total_component_instances(1);
        pool.max_memory_size(MEMORY)
            .linear_memory_keep_resident(96 * 1024)
            .table_keep_resident(8 * 1024);
        let mut config = Config::new();
        config
            .consume_fuel(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, wasm)?;
        let plugin = Linker::<()>::new(&engine).instantiate_pre(&component)?;
        Ok(Self {
            engine,
            plugin: contract::WidgetPluginPre::new(plugin)?,
        })
    }

    fn render(&self, settings: &str) -> Result<String> {
        let context = types::Context {
            now: 1_763_700_000_000,
            seed: 1,
            utc_offset_minutes: 60,
            locale: "en".into(),
            wall: WALL.into(),
            viewer: types::ViewerClass::Guest,
            width: 2,
            height: 4,
            settings: settings.into(),
        };
        html(&borrowed(&self.call(&context).map_err(of_wasmtime)?))
    }

    fn call(&self, context: &types::Context) -> wasmtime::Result<types::View> {
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(FUEL)?;
        let plugin = self.plugin.instantiate(&mut store)?;
        plugin.neospace_plugin_widget().call_render(&mut store, context)
    }
}

fn of_wasmtime(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

/// The view as the writer takes it.
fn borrowed(view: &types::View) -> protocol::View<'_> {
    fn node(node: &types::Node) -> protocol::Node<'_> {
        match node {
            types::Node::Text(text) => protocol::Node::Text(text),
            types::Node::Element(element) => protocol::Node::Element(protocol::Element {
                tag: &element.tag,
                attributes: element
                    .attributes
                    .iter()
                    .map(|a| (a.name.as_str(), a.value.as_str()))
                    .collect(),
                children: element.children.clone(),
                action: element
                    .action
                    .as_ref()
                    .map(|action| (action.name.as_str(), action.payload.as_str())),
            }),
        }
    }
    protocol::View {
        nodes: view.nodes.iter().map(node).collect(),
        roots: view.roots.clone(),
        max_age_seconds: view.max_age_seconds,
    }
}

fn html(view: &protocol::View<'_>) -> Result<String> {
    ensure!(
        view.nodes.len() == NODES,
        "the view has {} nodes instead of {NODES}",
        view.nodes.len()
    );
    let mut html = String::new();
    write_html(view, Press::None, None, &mut html)
        .map_err(|error| anyhow!("the view is refused: {error}"))
        .context("bench-tree")?;
    Ok(html)
}
