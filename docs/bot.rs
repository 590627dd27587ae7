//! A bot for rooms: it says hello to whoever says hello to it, once each time.
//!
//! `tokio`, `tokio-tungstenite`, `futures-util` and `serde_json` are all it needs. Its token has `rooms:read` and
//! `rooms:write`.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

/// Greets in a room, for example at `ws://127.0.0.1:5000`, until the line breaks. `seen` is the id of the last message
/// that it has looked at: come back with it, and nobody was missed. 0 is the beginning of the room.
pub async fn greet(address: &str, token: &str, room: &str, seen: &mut i64) -> Result<(), Error> {
    let mut request = format!("{address}/live").into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}"))?);
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("neospace.json.v1"));
    let (mut line, _) = connect_async(request).await?;
    let mut me = String::new();
    // A message on the line is a bell: what was said is fetched, so that nothing is passed over. While something is
    // being fetched, a bell means to fetch once more.
    let (mut fetching, mut bell) = (true, false);
    line.send(frame(&json!({ "event": "join_room", "room": room }))).await?;
    while let Some(message) = line.next().await {
        let Message::Text(text) = message? else { continue };
        let Ok(heard) = serde_json::from_str::<Value>(&text) else {
            continue;
        };
        match heard["event"].as_str().unwrap_or_default() {
            "connected" => me = heard["username"].as_str().unwrap_or_default().into(),
            "room_joined" => line.send(what_follows(room, *seen)).await?,
            "message" | "resync" if fetching => bell = true,
            "message" | "resync" => {
                fetching = true;
                line.send(what_follows(room, *seen)).await?;
            }
            "backfill" => {
                for said in heard["messages"].as_array().into_iter().flatten() {
                    *seen = said["id"].as_i64().unwrap_or(*seen);
                    if let Some(answer) = answer(said, &me, room) {
                        line.send(answer).await?;
                    }
                }
                if heard["phase"] == "end" {
                    fetching = heard["more"] == true || std::mem::take(&mut bell);
                    if fetching {
                        line.send(what_follows(room, *seen)).await?;
                    }
                }
            }
            "error" => eprintln!("{}", heard["message"]),
            _ => {}
        }
    }
    Ok(())
}

fn answer(said: &Value, me: &str, room: &str) -> Option<Message> {
    let named = said["mentions"].as_array()?.iter().any(|name| name == me);
    let hello = said["content"].as_str()?.contains("hello");
    let user = said["user"].as_str().filter(|user| *user != me)?;
    // The nonce names what is answered: however often this is sent, there is one answer.
    let nonce = format!("hello-to-{}", said["id"]);
    let content = format!("hello, @{user}");
    let answer = json!({
        "event": "send_message", "room": room, "content": content, "reply_to": said["id"], "nonce": nonce,
    });
    (named && hello).then(|| frame(&answer))
}

fn what_follows(room: &str, id: i64) -> Message {
    frame(&json!({ "event": "request_backfill", "room": room, "after_id": id, "limit": 100 }))
}

fn frame(event: &Value) -> Message {
    Message::text(event.to_string())
}
