//! One connected sensor, as the rest of the agent sees it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use forksight_columns::definition::clean;
use forksight_model::Name;
use forksight_wire::message::{Ack, Hello, Reject};
use tokio::sync::Notify;

/// Number of a connection, never used twice by one agent.
pub(crate) type ConnectionId = u64;

/// One connected sensor.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) id: ConnectionId,
    /// What it said of itself, made safe to show.
    pub(crate) hello: Hello,
    pub(crate) service: Name,
    pub(crate) version: Name,
    pub(crate) instance: Name,
    /// How many windows it may still send.
    credits: AtomicU32,
    /// Windows taken in that are not yet answered.
    outstanding: AtomicU32,
    outbox: Mutex<Outbox>,
    changed: Notify,
    closing: AtomicBool,
}

/// What is to be said to the sensor. Acknowledgements add up, so that one that never reads costs
/// no memory.
#[derive(Debug, Default)]
struct Outbox {
    ack: Option<Ack>,
    reject: Option<Reject>,
    finished: bool,
}

/// What is next to be written to a sensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outgoing {
    Ack(Ack),
    /// The last thing said.
    Reject(Reject),
    /// Nothing more will come.
    Finished,
}

impl Peer {
    pub(crate) fn new(id: ConnectionId, hello: Hello, credits: u32) -> Self {
        let hello = safe(hello);
        Self {
            id,
            service: hello.service.as_str().into(),
            version: hello.version.as_str().into(),
            instance: hello.instance.as_str().into(),
            hello,
            credits: AtomicU32::new(credits),
            outstanding: AtomicU32::new(0),
            outbox: Mutex::default(),
            changed: Notify::new(),
            closing: AtomicBool::new(false),
        }
    }

    /// Notes a window that arrived; `false` where the sensor had no credit for it.
    pub(crate) fn take_credit(&self) -> bool {
        let taken = self
            .credits
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |credits| credits.checked_sub(1));
        if taken.is_ok() {
            self.outstanding.fetch_add(1, Ordering::AcqRel);
        }
        taken.is_ok()
    }

    /// Tells the sensor that `windows` windows up to `seq` are durable, and gives their credits
    /// back.
    pub(crate) fn ack(&self, seq: u64, windows: u32) {
        self.credits.fetch_add(windows, Ordering::AcqRel);
        {
            let mut outbox = self.outbox();
            let ack = outbox.ack.get_or_insert_default();
            ack.seq = ack.seq.max(seq);
            ack.credits += windows;
        }
        self.outstanding.fetch_sub(windows, Ordering::AcqRel);
        self.changed.notify_one();
    }

    /// Tells the sensor why the connection ends, and ends it.
    pub(crate) fn reject(&self, reason: impl Into<String>, retry_after_ms: u64) {
        self.outbox().reject.get_or_insert(Reject { reason: reason.into(), retry_after_ms });
        self.closing.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether nothing more is to be read from it.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Lets the writing side end once everything taken in has been answered.
    pub(crate) fn finish(&self) {
        self.outbox().finished = true;
        self.changed.notify_one();
    }

    /// Waits for something to say.
    pub(crate) async fn next(&self) -> Outgoing {
        loop {
            {
                let mut outbox = self.outbox();
                if let Some(ack) = outbox.ack.take() {
                    return Outgoing::Ack(ack);
                }
                if let Some(reject) = outbox.reject.take() {
                    return Outgoing::Reject(reject);
                }
                if outbox.finished && self.outstanding.load(Ordering::Acquire) == 0 {
                    return Outgoing::Finished;
                }
            }
            self.changed.notified().await;
        }
    }

    fn outbox(&self) -> std::sync::MutexGuard<'_, Outbox> {
        // Every change is a single assignment.
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `hello` with names that can be shown, and without its token.
fn safe(hello: Hello) -> Hello {
    let name = |text: &str, otherwise: &str| match &*clean(text) {
        "" => otherwise.to_owned(),
        cleaned => cleaned.to_owned(),
    };
    Hello {
        sensor: name(&hello.sensor, ""),
        sensor_version: name(&hello.sensor_version, ""),
        runtime: name(&hello.runtime, ""),
        service: name(&hello.service, "unknown"),
        version: name(&hello.version, "unknown"),
        instance: name(&hello.instance, ""),
        program: name(&hello.program, ""),
        host: name(&hello.host, ""),
        token: String::new(),
        ..hello
    }
}
