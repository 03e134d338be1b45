//! Tables, and how old stores are brought up to date.

use rusqlite::{Connection, TransactionBehavior};

use super::connection::Engine;
use crate::{Error, Result};

/// The schema version that this program writes.
pub const SCHEMA: u32 = 1;

/// `FkSt`, so that other tools can tell the file.
const APPLICATION_ID: i32 = 0x466b_5374;

/// Statement lists that lead from schema version `index` to `index + 1`. Never change one that has
/// been released; add another, and a golden store to the tests.
const MIGRATIONS: [&str; SCHEMA as usize] = ["
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE service (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE version (
        id INTEGER PRIMARY KEY, service INTEGER NOT NULL, name TEXT NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, UNIQUE (service, name)
    );
    CREATE TABLE instance (
        id INTEGER PRIMARY KEY, version INTEGER NOT NULL, name TEXT NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, UNIQUE (version, name)
    );
    CREATE TABLE durable (
        instance TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
        touched_ms INTEGER NOT NULL, PRIMARY KEY (instance, epoch)
    ) WITHOUT ROWID;
    CREATE TABLE function (
        id INTEGER PRIMARY KEY, service INTEGER NOT NULL, language TEXT NOT NULL,
        file TEXT NOT NULL, name TEXT NOT NULL, line INTEGER NOT NULL, body_hash INTEGER NOT NULL,
        layout INTEGER NOT NULL, definition BLOB NOT NULL,
        UNIQUE (service, file, name, line, body_hash, layout, language)
    );
    -- Which functions the windows of a version mention.
    CREATE TABLE mention (
        version INTEGER NOT NULL, function INTEGER NOT NULL, PRIMARY KEY (version, function)
    ) WITHOUT ROWID;
    -- Instance 0 where instances are merged. The head of the block stands before its detail, so
    -- that reading it leaves the pages of the detail alone.
    CREATE TABLE block (
        id INTEGER PRIMARY KEY, level INTEGER NOT NULL, version INTEGER NOT NULL,
        instance INTEGER NOT NULL, start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL,
        windows INTEGER NOT NULL, head BLOB NOT NULL, detail BLOB NOT NULL
    );
    -- Hold what is asked about blocks, so that finding them does not read them.
    CREATE INDEX block_by_version
        ON block (version, start_ms, level, instance, end_ms, windows);
    CREATE INDEX block_by_level ON block (level, start_ms, version, instance);
    CREATE TABLE process (
        instance TEXT PRIMARY KEY, hello BLOB NOT NULL, status BLOB, connected INTEGER NOT NULL,
        last_ms INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE finding (
        id TEXT PRIMARY KEY, service TEXT NOT NULL, state TEXT NOT NULL,
        first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, document TEXT NOT NULL
    ) WITHOUT ROWID;
"];

/// The schema version of an open database; 0 for an empty one.
pub(super) fn version(connection: &Connection, engine: &Engine) -> Result<u32> {
    connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(engine.error("read the schema version"))
}

/// Brings the database up to date, each step in a transaction of its own.
///
/// # Errors
///
/// [`Error::NewerSchema`] where a newer program has written it; nothing is changed then.
pub(super) fn migrate(connection: &mut Connection, engine: &Engine) -> Result<()> {
    let found = version(connection, engine)?;
    if found > SCHEMA {
        return Err(Error::NewerSchema { found, known: SCHEMA });
    }
    for (statements, step) in MIGRATIONS.iter().zip(1..).skip(found as usize) {
        let migrate = |connection: &mut Connection| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(statements)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", step)?;
            transaction.commit()
        };
        migrate(connection).map_err(engine.error("bring the schema up to date"))?;
    }
    Ok(())
}
