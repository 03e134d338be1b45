//! Taking windows in.

mod commit;
mod connection;
mod define;
mod frames;
mod peer;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use forksight_wire::frame::{self, Type};
use forksight_wire::message::Reject;
use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::commit::{Committer, Job};
use self::frames::Budget;
use crate::state::{State, stopped};
use crate::{Config, Error, Result};

pub(crate) use self::commit::Ended;
pub(crate) use self::peer::{ConnectionId, Peer};

/// How long sensors have to take the last acknowledgements when the agent stops.
const GOODBYE: Duration = Duration::from_secs(3);

/// What connections share.
#[derive(Debug)]
struct Ingest {
    state: Arc<State>,
    credits: u32,
    budget: Budget,
    jobs: Sender<Job>,
    next_id: AtomicU64,
}

/// Takes windows in until it is told to stop.
#[derive(Debug)]
pub(crate) struct Server {
    listener: UnixListener,
    ingest: Arc<Ingest>,
    connections: Arc<Semaphore>,
    /// How the committing thread has ended; it has panicked where nothing comes.
    ended: oneshot::Receiver<Ended>,
}

/// Listens on `path`, in place of a socket that an agent before left there. Call it only while
/// holding the data directory.
pub(crate) fn listen(path: &Path) -> Result<UnixListener> {
    let shown = path.display();
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Error::io("replace", shown)(source)),
    }
    let listener = UnixListener::bind(path).map_err(Error::io("listen on", shown))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(Error::io("make private", path.display()))?;
    Ok(listener)
}

impl Server {
    pub(crate) fn new(listener: UnixListener, state: Arc<State>, config: &Config) -> Result<Self> {
        let (jobs, receiver) = channel();
        let (ending, ended) = oneshot::channel();
        let committer = Committer::new(state.clone(), receiver);
        std::thread::Builder::new()
            .name("forksight-commit".into())
            .spawn(move || ending.send(committer.run()))
            .map_err(Error::io("start", "the committing thread"))?;
        Ok(Self {
            listener,
            ingest: Arc::new(Ingest {
                state,
                credits: config.credits.max(1),
                budget: Budget::default(),
                jobs,
                next_id: AtomicU64::new(1),
            }),
            connections: Arc::new(Semaphore::new(config.max_connections)),
            ended,
        })
    }

    /// Accepts sensors until `stop` is set, then waits until each has been told what is durable.
    pub(crate) async fn serve(mut self, mut stop: watch::Receiver<bool>) -> Option<Ended> {
        let mut talks = JoinSet::new();
        let for_talks = stop.clone();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.accept(stream, &mut talks, &for_talks),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a sensor");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
                Some(_) = talks.join_next() => {}
                ended = &mut self.ended => return ended.ok(),
                () = stopped(&mut stop) => break,
            }
        }
        drop(self.listener);
        let all = async { while talks.join_next().await.is_some() {} };
        // Where the store does not take anything, the sensors keep what they have.
        let _ = timeout(GOODBYE, all).await;
        self.ingest.state.stopping.set();
        self.ingest.send(Job::Stop);
        self.ended.await.ok()
    }

    fn accept(&self, stream: UnixStream, talks: &mut JoinSet<()>, stop: &watch::Receiver<bool>) {
        self.ingest.state.touch();
        if !is_ours(&stream) {
            tracing::warn!("turned away a connection of another user");
            self.ingest.state.counters.turned_away.add(1);
            return;
        }
        let slot = self.connections.clone().try_acquire_owned();
        let (ingest, stop) = (self.ingest.clone(), stop.clone());
        let (reader, mut writer) = stream.into_split();
        match slot {
            Ok(slot) => {
                talks.spawn(connection::converse(reader, writer, ingest, stop, slot));
            }
            Err(_) => {
                self.ingest.state.counters.turned_away.add(1);
                let reason = "as many sensors are connected as the agent takes".into();
                let mut bytes = Vec::new();
                let reject = Reject { reason, retry_after_ms: 10_000 };
                frame::append(&mut bytes, Type::Reject, &reject);
                // An empty socket takes this much at once.
                talks.spawn(async move { drop(writer.write_all(&bytes).await) });
            }
        }
    }
}

impl Ingest {
    /// Hands `job` over; `false` where the committing thread has ended.
    fn send(&self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    fn next_id(&self) -> ConnectionId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }
}

/// Whether the peer belongs to this user, or to root.
fn is_ours(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}
