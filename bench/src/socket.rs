//! `no_nagle`: a small `/live` round trip at a low rate, where a delayed packet shows most.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::{
    baseline::Baseline,
    machine::{self, On},
    pace::Times,
    report::{Bar, Row},
    site::Site,
};

/// Sockets that share the rate: one client alone may send 200 frames in 10 seconds.
const SOCKETS: u32 = 5;
/// Round trips a second, of all sockets together.
const PER_SECOND: u32 = 50;
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(6);

/// Measures.
pub fn no_nagle(site: &Site) -> Result<Vec<Row>> {
    let program = site.start(On::OneCore)?;
    let bare = Baseline::start(&["socket".as_ref()])?;
    machine::pin(machine::cores().1)?;
    let (mut ours, mut baseline) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        ours.add(round_trips(program.address)?);
        baseline.add(round_trips(bare.address)?);
    }
    let ms = |times: &Times, share| times.quantile(share).as_secs_f64() * 1e3;
    let note = format!(
        "{} round trips; half within {:.2} ms, baseline {:.2} ms",
        ours.len(),
        ms(&ours, 0.5),
        ms(&baseline, 0.5)
    );
    program.stop()?;
    Ok(vec![Row::new(
        "no_nagle",
        ms(&ours, 0.99),
        ms(&baseline, 0.99),
        "ms",
        Bar::AtMost(3.0),
        note,
    )])
}

fn round_trips(address: SocketAddr) -> Result<Times> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let sockets: Vec<_> = (0..SOCKETS).map(|n| tokio::spawn(socket(address, n))).collect();
        let mut all = Times::default();
        for socket in sockets {
            all.add(socket.await??);
        }
        Ok(all)
    })
}

async fn socket(address: SocketAddr, n: u32) -> Result<Times> {
    let mut request = format!("ws://{address}/live").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("origin", HeaderValue::from_str(&format!("http://{address}"))?);
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("neospace.html.v1"));
    let (mut stream, _) = match connect_async_with_config(request.clone(), None, true).await {
        Ok(connected) => connected,
        // Bare axum agrees to no subprotocol, and the client insists on the one it named.
        Err(_) => {
            request.headers_mut().remove("sec-websocket-protocol");
            connect_async_with_config(request, None, true)
                .await
                .context("/live can't be opened")?
        }
    };
    let every = Duration::from_secs(1) * SOCKETS / PER_SECOND;
    tokio::time::sleep(every * n / SOCKETS).await;
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (start, mut times) = (Instant::now(), Times::default());
    while start.elapsed() < ROUND {
        tick.tick().await;
        let asked = Instant::now();
        stream.send(Message::Text("{\"event\":\"ping\"}".into())).await?;
        loop {
            let answer = timeout(Duration::from_secs(10), stream.next())
                .await
                .context("no pong came")?;
            let answer = answer.context("the socket closed")??;
            let text = answer.to_text().unwrap_or_default();
            ensure!(!text.contains("\"error\""), "instead of a pong: {text}");
            if text.contains("\"pong\"") {
                break;
            }
        }
        times.push(asked.elapsed());
    }
    Ok(times)
}
