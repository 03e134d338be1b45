//! What changes the database, besides upkeep.

use std::collections::HashMap;
use std::sync::Arc;

use forksight_columns::{FunctionSet, block, definition};
use forksight_model::Name;
use forksight_model::function::{Function, FunctionId};
use forksight_wire::window::Window;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::connection::Engine;
use super::read::signed;
use crate::memory::{Identity, bounded, in_order};
use crate::{Appended, Batch, Finding, FindingState, Level, Process, Result};

/// The one connection that writes, and what it remembers of the database.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    engine: Engine,
    known: Known,
}

/// Copies of rows, to spare looking them up. Dropped whenever a transaction fails.
#[derive(Debug, Default)]
struct Known {
    functions: HashMap<Identity, (FunctionId, Arc<Function>)>,
    services: HashMap<Name, i64>,
    versions: HashMap<(i64, Name), i64>,
    instances: HashMap<(i64, Name), i64>,
    mentions: HashMap<i64, FunctionSet>,
    durable: HashMap<(Name, u64), u64>,
}

impl Writer {
    pub(super) fn new(connection: Connection, engine: Engine) -> Self {
        Self { connection, engine, known: Known::default() }
    }

    /// Forgets what is remembered of the database.
    pub(super) fn forget(&mut self) {
        self.known = Known::default();
    }

    /// Runs `work` in a transaction that is durable once this returns.
    pub(super) fn transaction<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        self.transaction_with(action, |transaction, _| work(transaction))
    }

    fn transaction_with<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>, &mut Known) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let run = |connection: &mut Connection, known: &mut Known| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction, known)?;
            transaction.commit()?;
            Ok(result)
        };
        let result = run(&mut self.connection, &mut self.known);
        if result.is_err() {
            self.forget();
        }
        result.map_err(self.engine.error(action))
    }

    /// The connection, for statements outside a transaction.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn define(
        &mut self,
        service: &str,
        functions: &[Function],
    ) -> Result<Vec<FunctionId>> {
        let functions = bounded(functions)?;
        let identities: Vec<_> = functions.iter().map(|f| Identity::of(service, f)).collect();
        let remembered = |(identity, function): (&Identity, &Function)| {
            let (id, known) = self.known.functions.get(identity)?;
            (**known == *function).then_some(*id)
        };
        let ids: Option<Vec<_>> = identities.iter().zip(&functions).map(remembered).collect();
        if let Some(ids) = ids {
            return Ok(ids);
        }
        self.transaction_with("define functions", |transaction, known| {
            let service = known.service(transaction, &service.into())?;
            let mut upsert = transaction.prepare_cached(
                "INSERT INTO function
                     (service, language, file, name, line, body_hash, layout, definition)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT DO UPDATE SET definition = excluded.definition
                 RETURNING id",
            )?;
            let mut ids = Vec::with_capacity(functions.len());
            for (identity, function) in identities.into_iter().zip(functions) {
                let definition = definition::to_wire(1, &function).encode_to_vec();
                let id = FunctionId(upsert.query_row(
                    params![
                        service,
                        &*identity.language,
                        &*identity.file,
                        &*identity.name,
                        identity.line,
                        identity.body_hash as i64,
                        identity.layout as i64,
                        definition
                    ],
                    |row| row.get(0),
                )?);
                known.functions.insert(identity, (id, Arc::new(function)));
                ids.push(id);
            }
            Ok(ids)
        })
    }

    pub(super) fn append(&mut self, batches: Vec<Batch>) -> Result<Appended> {
        let batches = in_order(batches)?;
        self.transaction_with("append windows", |transaction, known| {
            let mut appended = Appended::default();
            for batch in &batches {
                if known.is_new(transaction, batch)? {
                    known.store(transaction, batch)?;
                    appended.stored += 1;
                } else {
                    appended.repeated += 1;
                }
            }
            Ok(appended)
        })
    }

    pub(super) fn put_processes(&mut self, processes: &[Process]) -> Result<()> {
        self.transaction("keep processes", |transaction| {
            let mut upsert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO process (instance, hello, status, connected, last_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for process in processes {
                let mut hello = process.hello.clone();
                hello.token.clear();
                upsert.execute(params![
                    hello.instance,
                    hello.encode_to_vec(),
                    process.status.as_ref().map(Message::encode_to_vec),
                    process.connected,
                    signed(process.last_seen_ms),
                ])?;
            }
            Ok(())
        })
    }

    pub(super) fn put_finding(&mut self, finding: &Finding) -> Result<()> {
        self.transaction("keep a finding", |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO finding (id, service, state, first_ms, last_ms, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET
                     service = excluded.service,
                     state = CASE state WHEN 'muted' THEN state ELSE excluded.state END,
                     first_ms = min(first_ms, excluded.first_ms),
                     last_ms = max(last_ms, excluded.last_ms),
                     document = excluded.document",
                )?
                .execute(params![
                    &*finding.id,
                    &*finding.service,
                    finding.state.as_str(),
                    signed(finding.first_seen_ms),
                    signed(finding.last_seen_ms),
                    finding.document,
                ])
        })?;
        Ok(())
    }

    pub(super) fn set_finding_state(&mut self, id: &str, state: FindingState) -> Result<bool> {
        self.transaction("set the state of a finding", |transaction| {
            let mut update =
                transaction.prepare_cached("UPDATE finding SET state = ?2 WHERE id = ?1")?;
            Ok(update.execute(params![id, state.as_str()])? > 0)
        })
    }

    pub(super) fn set_setting(&mut self, key: &str, value: &str) -> Result<()> {
        self.transaction("keep a setting", |transaction| {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO setting (key, value) VALUES (?1, ?2)")?
                .execute(params![key, value])
        })?;
        Ok(())
    }
}

impl Known {
    /// Whether the window of `batch` has not been counted before; it counts as counted from now
    /// on.
    fn is_new(&mut self, transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<bool> {
        let key = (batch.instance.clone(), batch.epoch);
        let durable = match self.durable.get(&key) {
            Some(durable) => *durable,
            None => durable_seq(transaction, &batch.instance, batch.epoch)?,
        };
        if batch.window.seq <= durable {
            self.durable.insert(key, durable);
            return Ok(false);
        }
        transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO durable (instance, epoch, seq, touched_ms)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                &*batch.instance,
                batch.epoch as i64,
                batch.window.seq as i64,
                signed(end_ms(&batch.window)),
            ])?;
        self.durable.insert(key, batch.window.seq);
        Ok(true)
    }

    fn store(&mut self, transaction: &Transaction<'_>, batch: &Batch) -> rusqlite::Result<()> {
        let Batch { service, version, instance, window, .. } = batch;
        let span = (signed(window.start_ms), signed(end_ms(window)));
        let service = self.service(transaction, service)?;
        let version =
            row_in_time(transaction, &mut self.versions, VERSION, service, version, span)?;
        let instance =
            row_in_time(transaction, &mut self.instances, INSTANCE, version, instance, span)?;
        self.mention(transaction, version, window)?;
        let row = BlockRow { level: Level::Window, version, instance, span, windows: 1 };
        row.insert(transaction, &block::pack(window))
    }

    fn service(&mut self, transaction: &Transaction<'_>, name: &Name) -> rusqlite::Result<i64> {
        if let Some(id) = self.services.get(name) {
            return Ok(*id);
        }
        let id = transaction
            .prepare_cached(
                "INSERT INTO service (name) VALUES (?1)
                 ON CONFLICT DO UPDATE SET name = name RETURNING id",
            )?
            .query_row([&**name], |row| row.get(0))?;
        self.services.insert(name.clone(), id);
        Ok(id)
    }

    /// Notes which functions `window` mentions for the first time in this version.
    fn mention(
        &mut self,
        transaction: &Transaction<'_>,
        version: i64,
        window: &Window,
    ) -> rusqlite::Result<()> {
        let Some(functions) = &window.functions else { return Ok(()) };
        let seen = match self.mentions.entry(version) {
            std::collections::hash_map::Entry::Occupied(slot) => slot.into_mut(),
            std::collections::hash_map::Entry::Vacant(slot) => {
                let mut select = transaction
                    .prepare_cached("SELECT function FROM mention WHERE version = ?1")?;
                let ids = select.query_map([version], |row| row.get(0).map(FunctionId))?;
                slot.insert(ids.collect::<rusqlite::Result<_>>()?)
            }
        };
        let mut insert = transaction
            .prepare_cached("INSERT OR IGNORE INTO mention (version, function) VALUES (?1, ?2)")?;
        for number in &functions.function {
            if !seen.contains(FunctionId(*number)) {
                seen.insert(FunctionId(*number));
                insert.execute(params![version, number])?;
            }
        }
        Ok(())
    }
}

const VERSION: [&str; 2] = [
    "INSERT INTO version (service, name, first_ms, last_ms) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET
         first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)
     RETURNING id",
    "UPDATE version SET first_ms = min(first_ms, ?2), last_ms = max(last_ms, ?3) WHERE id = ?1",
];

const INSTANCE: [&str; 2] = [
    "INSERT INTO instance (version, name, first_ms, last_ms) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET
         first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms)
     RETURNING id",
    "UPDATE instance SET first_ms = min(first_ms, ?2), last_ms = max(last_ms, ?3) WHERE id = ?1",
];

/// A row of the table of blocks, without its contents.
pub(super) struct BlockRow {
    pub(super) level: Level,
    pub(super) version: i64,
    /// 0 where instances are merged.
    pub(super) instance: i64,
    /// When it begins and ends.
    pub(super) span: (i64, i64),
    pub(super) windows: u64,
}

impl BlockRow {
    pub(super) fn insert(
        &self,
        transaction: &Transaction<'_>,
        block: &[u8],
    ) -> rusqlite::Result<()> {
        // What was just packed is sound.
        let head = block::head_len(block).unwrap_or(block.len());
        let (head, detail) = block.split_at(head);
        transaction
            .prepare_cached(
                "INSERT INTO block
                     (level, version, instance, start_ms, end_ms, windows, head, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                self.level as u8,
                self.version,
                self.instance,
                self.span.0,
                self.span.1,
                signed(self.windows),
                head,
                detail
            ])?;
        Ok(())
    }
}

/// The row of a version or instance, its time widened to `span`.
fn row_in_time(
    transaction: &Transaction<'_>,
    known: &mut HashMap<(i64, Name), i64>,
    [insert, widen]: [&str; 2],
    parent: i64,
    name: &Name,
    (from, to): (i64, i64),
) -> rusqlite::Result<i64> {
    let key = (parent, name.clone());
    if let Some(id) = known.get(&key) {
        transaction.prepare_cached(widen)?.execute(params![id, from, to])?;
        return Ok(*id);
    }
    let id = transaction
        .prepare_cached(insert)?
        .query_row(params![parent, &**name, from, to], |row| row.get(0))?;
    known.insert(key, id);
    Ok(id)
}

/// The highest durable `seq`; 0 for none.
pub(super) fn durable_seq(
    connection: &Connection,
    instance: &str,
    epoch: u64,
) -> rusqlite::Result<u64> {
    let seq: Option<i64> = connection
        .prepare_cached("SELECT seq FROM durable WHERE instance = ?1 AND epoch = ?2")?
        .query_row(params![instance, epoch as i64], |row| row.get(0))
        .optional()?;
    Ok(seq.unwrap_or(0) as u64)
}

fn end_ms(window: &Window) -> u64 {
    window.start_ms.saturating_add(u64::from(window.duration_ms))
}
