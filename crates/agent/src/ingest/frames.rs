//! Reading frames off a connection within a budget of memory.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use forksight_wire::frame::{HEADER, MAX_PAYLOAD, Type};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// How long a payload may take to arrive once its header has.
const PAYLOAD: Duration = Duration::from_secs(20);

/// Frames up to this length share a budget of their own, so that a few long ones, honest or not,
/// cannot hold up everyone else.
const SMALL: usize = 64 << 10;

/// What all frames that are being read or wait to be stored may hold together.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// In units of [`UNIT`] bytes.
const SMALL_BUDGET: usize = 16 << 10;
const LARGE_BUDGET: usize = 48 << 10;
const UNIT: usize = 1 << 10;

impl Default for Budget {
    fn default() -> Self {
        Self {
            small: Arc::new(Semaphore::new(SMALL_BUDGET)),
            large: Arc::new(Semaphore::new(LARGE_BUDGET)),
        }
    }
}

impl Budget {
    /// Waits until `bytes` more may be held.
    async fn take(&self, bytes: usize) -> OwnedSemaphorePermit {
        let budget = if bytes <= SMALL { &self.small } else { &self.large };
        // At most `MAX_PAYLOAD / UNIT`; neither semaphore is ever closed.
        let units = bytes.div_ceil(UNIT).max(1) as u32;
        match budget.clone().acquire_many_owned(units).await {
            Ok(permit) => permit,
            Err(_) => std::future::pending().await,
        }
    }
}

/// One frame, and its share of the budget.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Type,
    pub(crate) payload: Vec<u8>,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The frames of a connection.
#[derive(Debug)]
pub(crate) struct Frames<R> {
    reader: BufReader<R>,
    budget: Budget,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(reader: R, budget: Budget) -> Self {
        Self { reader: BufReader::with_capacity(16 << 10, reader), budget }
    }

    /// The next frame of a known type; `None` where the connection has ended between frames.
    ///
    /// Once it has been polled and dropped, the connection cannot be read any further.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] where a frame is too long for its type.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            let mut header = [0; HEADER];
            match self.reader.read_exact(&mut header).await {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
            let [a, b, c, d, kind, _flags] = header;
            let len = u32::from_le_bytes([a, b, c, d]) as usize;
            let kind = Type::from_code(kind);
            if len > longest(kind) {
                let text = format!("frame of {len} bytes is too long for its type");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            let permit = self.budget.take(len).await;
            let mut payload = Vec::new();
            let mut rest = (&mut self.reader).take(len as u64);
            timeout(PAYLOAD, rest.read_to_end(&mut payload))
                .await
                .map_err(|_| io::ErrorKind::TimedOut)??;
            if payload.len() < len {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(kind) = kind {
                return Ok(Some(Frame { kind, payload, permit }));
            }
        }
    }
}

/// The longest payload that is taken in of a type.
fn longest(kind: Option<Type>) -> usize {
    match kind {
        Some(Type::Hello | Type::Bye) => 64 << 10,
        Some(Type::Status) => 256 << 10,
        _ => MAX_PAYLOAD,
    }
}
