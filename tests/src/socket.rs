//! A WebSocket whose other end may speak at any time, for code that is not async.

use std::sync::OnceLock;

use futures_util::{SinkExt, StreamExt};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_tungstenite::tungstenite::{
    self, Message, handshake::client::Request, http::HeaderMap, protocol::WebSocketConfig,
};

/// The runtime that all sockets of this test run on.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime needs a thread and an epoll")
    })
}

/// The sending side; what is received goes to the closure given to [`Socket::open`]. Dropping it closes the socket.
pub struct Socket {
    outgoing: mpsc::UnboundedSender<Message>,
    /// The headers of the answer that opened the socket.
    pub headers: HeaderMap,
}

impl Socket {
    /// Opens a socket. `received` gets every message, and `None` when the other side has closed.
    ///
    /// # Errors
    /// When the server refuses, with its answer: [`tungstenite::Error::Http`].
    pub fn open(
        request: Request,
        mut received: impl FnMut(Option<Message>) + Send + 'static,
    ) -> Result<Socket, tungstenite::Error> {
        // A browser's answers, screenshots above all, are larger than the usual limits.
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let connect = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
        let (mut stream, answer) = runtime().block_on(connect)?;
        let (outgoing, mut queue) = mpsc::unbounded_channel();
        runtime().spawn(async move {
            loop {
                tokio::select! {
                    message = queue.recv() => {
                        let Some(message) = message else { break };
                        if stream.send(message).await.is_err() { break }
                    }
                    message = stream.next() => match message {
                        Some(Ok(message)) => {
                            let last = message.is_close();
                            received(Some(message));
                            if last { break }
                        }
                        _ => break,
                    },
                }
            }
            received(None);
            let _ = stream.close(None).await;
        });
        Ok(Socket {
            outgoing,
            headers: answer.headers().clone(),
        })
    }

    /// Queues a message. Whether it could be sent shows in what comes back.
    pub fn send(&self, message: impl Into<Message>) {
        let _ = self.outgoing.send(message.into());
    }
}
