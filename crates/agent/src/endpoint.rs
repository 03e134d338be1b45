//! Where a running agent is, and starting one.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::place::make_data_dir;
use crate::{Error, Result};

/// Where a running agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its process id.
    pub pid: u32,
    /// The Unix socket that sensors connect to.
    pub socket: PathBuf,
    /// Where it answers HTTP.
    pub http: SocketAddr,
    /// Version of its code.
    pub version: String,
    /// When it started, in milliseconds since 1970.
    pub started_ms: u64,
    /// Its data directory.
    pub data_dir: PathBuf,
}

const FILE: &str = "agent.json";
const LOG: &str = "agent.log";

/// A log that is longer is begun anew when the next agent is started.
const LOG_BYTES: u64 = 4 << 20;

/// How long a started agent has until it answers.
const START: Duration = Duration::from_secs(3);

/// The agent that runs on `data_dir` and answers; `None` where there is none.
pub fn endpoint(data_dir: impl AsRef<Path>) -> Option<Endpoint> {
    let text = std::fs::read(data_dir.as_ref().join(FILE)).ok()?;
    let endpoint: Endpoint = serde_json::from_slice(&text).ok()?;
    UnixStream::connect(&endpoint.socket).ok()?;
    Some(endpoint)
}

/// The file that an agent started by [`ensure_running`] writes to.
pub fn log_path(data_dir: impl AsRef<Path>) -> PathBuf {
    data_dir.as_ref().join(LOG)
}

/// The agent that runs on `data_dir`; where there is none, starts
/// `<binary> agent --data-dir <data_dir> --auto` in a session of its own and waits until it
/// answers.
///
/// However many processes do this at once, there is one agent in the end.
///
/// # Errors
///
/// [`Error::NotStarted`] where it does not answer within three seconds; a service runs without
/// it.
pub fn ensure_running(data_dir: impl AsRef<Path>, binary: impl AsRef<Path>) -> Result<Endpoint> {
    if let Some(endpoint) = endpoint(&data_dir) {
        return Ok(endpoint);
    }
    let data_dir = make_data_dir(data_dir.as_ref())?;
    let deadline = Instant::now() + START;
    let (mut log, log_start) = open_log(&data_dir)?;
    let mut child = spawn(&data_dir, binary.as_ref(), &log)?;
    loop {
        if let Some(endpoint) = endpoint(&data_dir) {
            reap_in_background(child);
            return Ok(endpoint);
        }
        let ended = child.try_wait().map_err(Error::io("wait for", "the agent"))?;
        // Status 2 may mean that another agent, started at the same time, was first.
        let hopeless = ended.is_some_and(|status| status.code() != Some(2));
        if hopeless || Instant::now() >= deadline {
            let detail = match ended {
                Some(status) => last_line(&mut log, log_start).unwrap_or(status.to_string()),
                None => format!("no answer within {} s", START.as_secs()),
            };
            reap_in_background(child);
            return Err(Error::NotStarted { detail, log: log_path(&data_dir) });
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes where this agent is, so that readers see it whole or not at all.
pub(crate) fn publish(endpoint: &Endpoint) -> Result<()> {
    let path = endpoint.data_dir.join(FILE);
    let new = endpoint.data_dir.join("agent.json.new");
    let text = serde_json::to_vec_pretty(endpoint).unwrap_or_default();
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        std::fs::rename(&new, &path)
    };
    write().map_err(Error::io("write", path.display()))
}

/// Takes back what [`publish`] wrote.
pub(crate) fn retract(endpoint: &Endpoint) {
    // Whoever reads it finds that nobody answers.
    let _ = std::fs::remove_file(endpoint.data_dir.join(FILE));
}

fn open_log(data_dir: &Path) -> Result<(File, u64)> {
    let path = log_path(data_dir);
    let open = || {
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).mode(0o600).open(&path)?;
        if file.metadata()?.len() > LOG_BYTES {
            file.set_len(0)?;
        }
        let len = file.metadata()?.len();
        Ok((file, len))
    };
    open().map_err(Error::io("open", path.display()))
}

fn spawn(data_dir: &Path, binary: &Path, log: &File) -> Result<Child> {
    let cannot = || Error::io("start", binary.display());
    let mut command = Command::new(binary);
    command
        .args(["agent", "--data-dir"])
        .arg(data_dir)
        .arg("--auto")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(cannot())?)
        .stderr(log.try_clone().map_err(cannot())?);
    // SAFETY: between fork and exec only the two system calls in `detach` are made, which are
    // async-signal-safe.
    unsafe { command.pre_exec(detach) };
    command.spawn().map_err(cannot())
}

/// Leaves the starter's session, and gives up its open files: somebody may wait for their end.
fn detach() -> std::io::Result<()> {
    rustix::process::setsid()?;
    #[cfg(target_os = "linux")]
    {
        const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
        // SAFETY: takes no pointers. Files are closed at exec, not now, because the standard
        // library still needs one of them; kernels before 5.11 refuse, and files stay open.
        unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    }
    Ok(())
}

/// Collects the status of an agent that ends before its starter does.
fn reap_in_background(mut child: Child) {
    // Without the thread there is an entry more in the process table, nothing else.
    let _ = std::thread::Builder::new().name("forksight-reap".into()).spawn(move || child.wait());
}

/// The last line written to `log` after `start`.
fn last_line(log: &mut File, start: u64) -> Option<String> {
    let mut text = String::new();
    log.seek(SeekFrom::Start(start)).ok()?;
    log.take(1 << 16).read_to_string(&mut text).ok()?;
    text.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned())
}
