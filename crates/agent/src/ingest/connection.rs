//! The conversation with one sensor.

use std::sync::Arc;
use std::time::Duration;

use forksight_wire::frame::{self, Type};
use forksight_wire::message::{Hello, Reject, Status, Welcome};
use forksight_wire::{MIN_VERSION, VERSION};
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Ingest;
use super::commit::Job;
use super::frames::{Frame, Frames};
use super::peer::{Outgoing, Peer};
use crate::state::stopped;

/// How long a new connection has until it says who it is.
const HELLO: Duration = Duration::from_secs(10);
/// How long a sensor may leave what is written to it unread before it is given up.
const WRITE: Duration = Duration::from_secs(30);
/// When to try again after being turned away for reasons that pass.
const LATER_MS: u64 = 5_000;

/// Talks to one sensor until either side ends the connection.
pub(super) async fn converse(
    reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin + Send + 'static,
    ingest: Arc<Ingest>,
    mut stop: watch::Receiver<bool>,
    slot: OwnedSemaphorePermit,
) {
    let mut frames = Frames::new(reader, ingest.budget.clone());
    let hello = tokio::select! {
        hello = timeout(HELLO, read_hello(&mut frames)) => hello,
        () = stopped(&mut stop) => return,
    };
    // One that says nothing, or nothing sensible, gets no answer.
    let Ok(Some(hello)) = hello else { return };
    let (peer, welcome) = match admit(hello, &ingest).await {
        Ok(admitted) => admitted,
        Err(reject) => {
            tracing::warn!(reason = reject.reason, "turned a sensor away");
            ingest.state.counters.turned_away.add(1);
            let _ = send(&mut writer, Type::Reject, &reject).await;
            return;
        }
    };
    if send(&mut writer, Type::Welcome, &welcome).await.is_err() {
        return;
    }
    let peer = Arc::new(peer);
    ingest.state.processes.connect(&peer);
    // Ends with this task, and the connection with it.
    let mut writing = JoinSet::new();
    writing.spawn(write(writer, peer.clone()));
    let unwritten = tokio::select! {
        () = read(&mut frames, &peer, &ingest) => true,
        () = stopped(&mut stop) => true,
        _ = writing.join_next() => false,
    };
    ingest.send(Job::Close(peer.id));
    ingest.send(Job::Flush);
    ingest.state.processes.disconnect(&peer);
    peer.finish();
    drop((frames, slot));
    if unwritten {
        // It ends once everything taken in has been acknowledged, or the sensor is gone.
        writing.join_next().await;
    }
}

async fn read_hello<R: AsyncRead + Unpin>(frames: &mut Frames<R>) -> Option<Hello> {
    let frame = frames.next().await.ok()??;
    match frame.kind {
        Type::Hello => Hello::decode(&frame.payload[..]).ok(),
        _ => None,
    }
}

/// Takes a sensor in, or says why not.
async fn admit(hello: Hello, ingest: &Arc<Ingest>) -> Result<(Peer, Welcome), Reject> {
    let reject = |reason: String, retry_after_ms| Reject { reason, retry_after_ms };
    let version = hello.max_version.min(VERSION);
    if version < hello.min_version.max(MIN_VERSION) {
        return Err(reject(
            format!(
                "sensor speaks protocol versions {} to {}, agent {} speaks {MIN_VERSION} to \
                 {VERSION}; upgrade the older one",
                hello.min_version,
                hello.max_version,
                env!("CARGO_PKG_VERSION"),
            ),
            0,
        ));
    }
    let peer = Peer::new(ingest.next_id(), hello, ingest.credits);
    if peer.instance.is_empty() {
        return Err(reject("sensor gave no instance id".into(), 0));
    }
    let (store, instance) = (ingest.state.store.clone(), peer.instance.clone());
    let epoch = peer.hello.epoch;
    let durable = tokio::task::spawn_blocking(move || store.durable_seq(&instance, epoch)).await;
    let durable_seq = match durable {
        Ok(Ok(seq)) => seq,
        Ok(Err(error)) => return Err(reject(format!("store is not ready: {error}"), LATER_MS)),
        Err(_) => return Err(reject("store is not ready".into(), LATER_MS)),
    };
    let welcome = Welcome {
        version,
        agent_version: env!("CARGO_PKG_VERSION").into(),
        credits: ingest.credits,
        durable_seq,
        config: None,
    };
    Ok((peer, welcome))
}

/// Takes in what the sensor sends until there is nothing more to read.
async fn read<R: AsyncRead + Unpin>(frames: &mut Frames<R>, peer: &Arc<Peer>, ingest: &Ingest) {
    while !peer.is_closing() {
        let frame = match frames.next().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return peer.reject(error.to_string(), 0);
            }
            Err(_) => return,
        };
        if !take(frame, peer, ingest) {
            return;
        }
    }
}

/// Takes in one frame; `false` where it is the last.
fn take(frame: Frame, peer: &Arc<Peer>, ingest: &Ingest) -> bool {
    let Frame { kind, payload, permit } = frame;
    ingest.state.counters.bytes.add(payload.len() as u64);
    match kind {
        Type::Define => ingest.send(Job::Define { peer: peer.clone(), payload, permit }),
        Type::Window => {
            if !peer.take_credit() {
                peer.reject("sensor sent a window that it had no credit for", 0);
                return false;
            }
            ingest.send(Job::Window { peer: peer.clone(), payload, permit })
        }
        Type::Status => match Status::decode(&payload[..]) {
            Ok(status) => {
                ingest.state.processes.update(peer, status);
                true
            }
            Err(_) => {
                peer.reject("status does not decode", 0);
                false
            }
        },
        // The sensor waits for the acknowledgement of its last windows, at the end of its process.
        Type::Bye => ingest.send(Job::Flush),
        Type::Hello | Type::Welcome | Type::Reject | Type::Ack | Type::Config => true,
    }
}

/// Writes what is to be said to the sensor until there is nothing more, or it does not read.
async fn write(mut writer: impl AsyncWrite + Unpin, peer: Arc<Peer>) {
    loop {
        let sent = match peer.next().await {
            Outgoing::Ack(ack) => send(&mut writer, Type::Ack, &ack).await,
            Outgoing::Reject(reject) => {
                tracing::warn!(reason = reject.reason, pid = peer.hello.pid, "ended a connection");
                let _ = send(&mut writer, Type::Reject, &reject).await;
                return;
            }
            Outgoing::Finished => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// Writes one message.
async fn send(
    writer: &mut (impl AsyncWrite + Unpin),
    kind: Type,
    message: &impl Message,
) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, kind, message);
    timeout(WRITE, writer.write_all(&bytes)).await.map_err(|_| std::io::ErrorKind::TimedOut)?
}
