//! Debuggers that listen beside the app, or before it. Whoever may speak to one runs code in the app.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::endpoints::Listener;

/// How long one may take to say what it is: it has a thread of its own, so it does not wait for the app.
const ANSWER: Duration = Duration::from_secs(1);
/// More of an answer is not read, in bytes: a debugger's has two hundred.
const LONGEST: u64 = 4096;
/// What Node's debugger, and all others of its protocol, answer to by its documentation.
const QUESTION: &[u8] =
    b"GET /json/version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// The field that every such answer has.
const SAID: &[u8] = b"\"Protocol-Version\"";

/// Whether a debugger answers here. What does not speak HTTP, or is too slow, is none.
pub(super) async fn answers(listener: Listener) -> bool {
    let mut answer = Vec::new();
    let asked = async {
        let mut stream = listener.connect().await?;
        stream.write_all(QUESTION).await?;
        stream.take(LONGEST).read_to_end(&mut answer).await
    };
    // What came before the time was over counts: some keep the connection open.
    let _ = timeout(ANSWER, asked).await;
    answer.windows(SAID.len()).any(|part| part == SAID)
}
