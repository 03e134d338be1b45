//! Which files an agent uses besides the store.

use std::fs::{DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The longest path that a Unix socket can have, in bytes.
const MAX_SOCKET_PATH: usize = 107;

const SOCKET: &str = "agent.sock";

/// Makes the data directory if there is none, and gives its absolute path.
pub(crate) fn make_data_dir(data_dir: &Path) -> Result<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(Error::io("create", data_dir.display()))?;
    data_dir.canonicalize().map_err(Error::io("use", data_dir.display()))
}

/// Makes a directory for the socket that only this user can enter, and gives the socket's path.
///
/// It is inside `data_dir` (absolute) unless its path would be too long for a socket.
pub(crate) fn make_socket_path(data_dir: &Path) -> Result<PathBuf> {
    let inside = data_dir.join("run").join(SOCKET);
    let path = if inside.as_os_str().len() <= MAX_SOCKET_PATH {
        inside
    } else {
        let name = format!("forksight-{:016x}", fnv1a(data_dir.as_os_str().as_bytes()));
        runtime_dir()?.join(name).join(SOCKET)
    };
    // Every path above has a parent.
    make_private_dir(path.parent().unwrap_or(data_dir))?;
    Ok(path)
}

/// A directory with a short path that belongs to this user.
fn runtime_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
        && dir.is_absolute()
        && dir.as_os_str().len() <= 48
        && dir.is_dir()
    {
        return Ok(dir);
    }
    let dir = PathBuf::from(format!("/tmp/forksight-{}", rustix::process::geteuid().as_raw()));
    make_private_dir(&dir)?;
    Ok(dir)
}

/// Makes `dir` if there is none.
///
/// # Errors
///
/// [`Error::NotPrivate`] where it is not a directory of this user.
fn make_private_dir(dir: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(source) if source.kind() == ErrorKind::AlreadyExists => {}
        Err(source) => return Err(Error::io("create", dir.display())(source)),
    }
    let found = dir.symlink_metadata().map_err(Error::io("read", dir.display()))?;
    let not_private = |detail| Err(Error::NotPrivate { path: dir.to_owned(), detail });
    if !found.is_dir() {
        return not_private("not a directory");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return not_private("belongs to another user");
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(dir, Permissions::from_mode(0o700))
            .map_err(Error::io("make private", dir.display()))?;
    }
    Ok(())
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
