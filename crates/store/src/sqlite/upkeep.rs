//! Folding old blocks, deleting, giving space back.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forksight_columns::{Filter, Folder, WindowHeader, block, encode};
use forksight_model::aggregate::Aggregate;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::read::{self, DAMAGED, EVICTED, EXPIRED, signed, unsigned};
use super::write::BlockRow;
use super::{Policy, Sqlite};
use crate::thin::thin;
use crate::{Level, Maintenance, Result};

/// How long one call may fold, roughly.
const SLICE: Duration = Duration::from_millis(250);
/// How many blocks of a level are looked at in one call.
const LOOK: i64 = 4096;
/// How many blocks, and bytes of them, are folded into one at a time.
const FOLD_BLOCKS: usize = 64;
const FOLD_BYTES: u64 = 16 << 20;
/// How many blocks are deleted in one transaction.
const DELETE: i64 = 64;
/// How many pages are given back to the file system in one call.
const VACUUM_PAGES: u32 = 512;
/// Between two sweeps over what no block mentions any more.
const SWEEP_MS: u64 = 3_600_000;
/// Processes that have gone are forgotten after a week.
const PROCESS_MS: u64 = 7 * 86_400_000;
/// Blocks this far in the future come from a wrong clock, and would never get old.
const FUTURE_MS: u64 = 86_400_000;
/// A folded block whose message is longer loses detail, so that no process can make blocks that
/// cannot be read any more.
const LONGEST: usize = block::MAX_BYTES / 2;

/// What upkeep remembers between calls; its lock lets one call work at a time.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    swept_ms: Option<u64>,
}

pub(super) fn maintain(store: &Sqlite, now_ms: u64) -> Result<Maintenance> {
    // Nothing that is remembered can be left half done by a panic.
    let mut upkeep = store.upkeep.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut done = Maintenance::default();
    let deadline = Instant::now() + SLICE;
    fold_old(store, now_ms, deadline, &mut done)?;
    delete_expired(store, now_ms, &mut done)?;
    delete_over_ceiling(store, deadline, &mut done)?;
    if upkeep.swept_ms.is_none_or(|swept| now_ms.saturating_sub(swept) >= SWEEP_MS) {
        sweep(store, now_ms)?;
        upkeep.swept_ms = Some(now_ms);
    }
    give_back(store, &mut done)?;
    Ok(done)
}

/// A coarser block in the making: its version, its instance (0 for all), where it begins.
type Target = (i64, i64, u64);

fn fold_old(store: &Sqlite, now_ms: u64, deadline: Instant, done: &mut Maintenance) -> Result<()> {
    let keep_ms = patience(store)?;
    for (level, keep_ms) in Level::ALL.into_iter().zip(keep_ms) {
        let Some(coarser) = level.coarser() else { break };
        let length = coarser.length_ms();
        let before = now_ms.saturating_sub(keep_ms) / length * length;
        for (target, inputs) in due(store, level, coarser, before)? {
            for inputs in chunks(inputs) {
                if Instant::now() >= deadline {
                    done.more = true;
                    return Ok(());
                }
                fold_one(store, coarser, target, inputs)?.count(done);
            }
        }
    }
    Ok(())
}

/// How long blocks are kept at each level: as the policy says while there is room, a quarter of
/// that when the store is over two thirds full, no longer than they last when it is nearly full.
fn patience(store: &Sqlite) -> Result<[u64; 4]> {
    let Policy { keep_ms, ceiling_bytes, .. } = store.policy;
    let used = used_bytes(store)?;
    Ok(match used {
        used if used > ceiling_bytes / 10 * 9 => [0; 4],
        used if used > ceiling_bytes / 3 * 2 => keep_ms.map(|keep| keep / 4),
        _ => keep_ms,
    })
}

/// The oldest blocks of `level` that began before `before`, by the coarser block they belong to.
fn due(
    store: &Sqlite,
    level: Level,
    coarser: Level,
    before: u64,
) -> Result<BTreeMap<Target, Vec<(i64, u64)>>> {
    store.read(|connection| {
        let read = || {
            let mut select = connection.prepare_cached(
                "SELECT id, version, instance, start_ms, length(head) + length(detail) FROM block
                 WHERE level = ?1 AND start_ms < ?2 ORDER BY start_ms LIMIT ?3",
            )?;
            let mut rows = select.query(params![level as u8, signed(before), LOOK])?;
            let mut targets: BTreeMap<Target, Vec<(i64, u64)>> = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let start_ms = unsigned(row, 3)?;
                let instance = if coarser.merges_instances() { 0 } else { row.get(2)? };
                let target = (row.get(1)?, instance, start_ms - start_ms % coarser.length_ms());
                targets.entry(target).or_default().push((row.get(0)?, unsigned(row, 4)?));
            }
            Ok(targets)
        };
        read().map_err(store.engine.error("find old blocks"))
    })
}

/// Cuts `inputs` so that one folding stays bounded in memory.
fn chunks(inputs: Vec<(i64, u64)>) -> Vec<Vec<i64>> {
    let mut chunks: Vec<Vec<i64>> = Vec::new();
    let mut bytes = 0;
    for (id, len) in inputs {
        bytes += len;
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < FOLD_BLOCKS && bytes <= FOLD_BYTES => chunk.push(id),
            _ => {
                chunks.push(vec![id]);
                bytes = len;
            }
        }
    }
    chunks
}

/// What one folding did.
struct Folded {
    inputs: u64,
}

impl Folded {
    fn count(self, done: &mut Maintenance) {
        done.folded += self.inputs;
        done.written += 1;
    }
}

/// Folds the blocks `inputs`, and the coarser block that is already there, into one. Reading and
/// folding go on beside the writer; replacing is one transaction.
fn fold_one(
    store: &Sqlite,
    level: Level,
    (version, instance, start_ms): Target,
    mut inputs: Vec<i64>,
) -> Result<Folded> {
    let count = inputs.len() as u64;
    let mut folder = Folder::new(Filter::default());
    let mut windows = 0;
    store.read(|connection| {
        let find = || {
            connection
                .prepare_cached(
                    "SELECT id FROM block
                     WHERE level = ?1 AND version = ?2 AND instance = ?3 AND start_ms = ?4",
                )?
                .query_row(params![level as u8, version, instance, signed(start_ms)], |row| {
                    row.get::<_, i64>(0)
                })
                .optional()
        };
        inputs.extend(find().map_err(store.engine.error("find a block"))?);
        for id in &inputs {
            windows += fold_block(connection, store, *id, &mut folder)?;
        }
        Ok(())
    })?;
    let mut aggregate = folder.finish();
    thin(&mut aggregate, level, start_ms ^ (version as u64).rotate_left(32) ^ instance as u64);
    let data = pack(aggregate, start_ms, level);
    let span = (signed(start_ms), signed(start_ms + level.length_ms()));
    let row = BlockRow { level, version, instance, span, windows };
    store.write(|writer| {
        writer.transaction("replace blocks by a coarser one", |transaction| {
            delete(transaction, &inputs)?;
            row.insert(transaction, &data)
        })
    })?;
    Ok(Folded { inputs: count })
}

/// Adds one block; returns how many windows are in it.
fn fold_block(
    connection: &Connection,
    store: &Sqlite,
    id: i64,
    folder: &mut Folder,
) -> Result<u64> {
    let (windows, added) = connection
        .prepare_cached("SELECT windows, head, detail FROM block WHERE id = ?1")
        .and_then(|mut select| {
            select.query_row([id], |row| {
                Ok((unsigned(row, 0)?, folder.add(read::blob(row, 1), read::blob(row, 2))))
            })
        })
        .map_err(store.engine.error("read a block"))?;
    if read::sound(added)?.is_none() {
        folder.miss(DAMAGED);
    }
    Ok(windows)
}

/// The block of `aggregate`; where that would be too long it loses detail, counted.
fn pack(mut aggregate: Aggregate, start_ms: u64, level: Level) -> Vec<u8> {
    let header = WindowHeader { seq: 0, start_ms, duration_ms: level.length_ms() as u32 };
    type Shed = (&'static str, fn(&mut Aggregate));
    let order: [Shed; 4] = [
        ("folded samples", |a| {
            a.call_samples.clear();
            a.entry_samples.clear();
        }),
        ("folded shapes", |a| a.functions.values_mut().for_each(|f| f.shapes.clear())),
        ("folded paths", |a| a.functions.values_mut().for_each(|f| f.paths.clear())),
        ("folded functions", |a| a.functions.clear()),
    ];
    let mut order = order.into_iter();
    loop {
        let window = encode(&aggregate, header, |id| id.0);
        if prost::Message::encoded_len(&window) <= LONGEST {
            return block::pack(&window);
        }
        let Some((what, give_up)) = order.next() else { return block::pack(&window) };
        give_up(&mut aggregate);
        *aggregate.shed.entry(what.into()).or_default() += 1;
    }
}

fn delete(transaction: &Transaction<'_>, ids: &[i64]) -> rusqlite::Result<()> {
    let mut delete = transaction.prepare_cached("DELETE FROM block WHERE id = ?1")?;
    for id in ids {
        delete.execute([id])?;
    }
    Ok(())
}

fn delete_expired(store: &Sqlite, now_ms: u64, done: &mut Maintenance) -> Result<()> {
    let before = signed(now_ms.saturating_sub(store.policy.retention_ms));
    let after = signed(now_ms.saturating_add(FUTURE_MS));
    for level in Level::ALL.map(|level| level as u8) {
        let old = "SELECT id, windows FROM block
             WHERE level = ?1 AND start_ms < ?2 AND end_ms <= ?2 ORDER BY start_ms LIMIT ?3";
        let future = "SELECT id, windows FROM block
             WHERE level = ?1 AND start_ms > ?2 ORDER BY start_ms LIMIT ?3";
        let deleted = delete_counted(store, EXPIRED, old, params![level, before, DELETE])?
            + delete_counted(store, EXPIRED, future, params![level, after, DELETE])?;
        done.expired += deleted;
        done.more |= deleted >= DELETE as u64;
    }
    Ok(())
}

fn delete_over_ceiling(store: &Sqlite, deadline: Instant, done: &mut Maintenance) -> Result<()> {
    loop {
        if used_bytes(store)? <= store.policy.ceiling_bytes {
            return Ok(());
        }
        // The oldest data is the coarsest, but for windows that came late.
        let oldest = "SELECT id, windows FROM block WHERE level = (
                 SELECT level FROM block GROUP BY level ORDER BY min(start_ms), level DESC LIMIT 1)
             ORDER BY start_ms LIMIT ?1";
        let deleted = delete_counted(store, EVICTED, oldest, params![EVICT])?;
        done.evicted += deleted;
        if deleted == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            done.more = true;
            return Ok(());
        }
    }
}

/// How many blocks are deleted at a time while over the ceiling: few, since each may be large.
const EVICT: i64 = 8;

/// Deletes the blocks that `select` gives with the number of windows in each, and adds those to
/// `counter`. Nothing but upkeep deletes blocks, so what was found is still there.
fn delete_counted(
    store: &Sqlite,
    counter: &str,
    select: &str,
    params: &[&dyn rusqlite::ToSql],
) -> Result<u64> {
    let found = store.read(|connection| {
        let find = || {
            let mut select = connection.prepare_cached(select)?;
            let rows = select.query_map(params, |row| Ok((row.get(0)?, unsigned(row, 1)?)))?;
            rows.collect::<rusqlite::Result<Vec<(i64, u64)>>>()
        };
        find().map_err(store.engine.error("find old blocks"))
    })?;
    if found.is_empty() {
        return Ok(0);
    }
    let windows = found.iter().fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
    let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
    store.write(|writer| {
        writer.transaction("delete old blocks", |transaction| {
            delete(transaction, &ids)?;
            transaction
                .prepare_cached(
                    "INSERT INTO counter (name, n) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET n = n + excluded.n",
                )?
                .execute(params![counter, signed(windows)])
        })
    })?;
    Ok(ids.len() as u64)
}

fn used_bytes(store: &Sqlite) -> Result<u64> {
    store.read(|connection| {
        read::used_bytes(connection).map_err(store.engine.error("read the size of the store"))
    })
}

/// Forgets what no block mentions any more. What is durable is remembered for as long as a block
/// could be kept, so that a window that comes again is known.
fn sweep(store: &Sqlite, now_ms: u64) -> Result<()> {
    let retained = now_ms.saturating_sub(store.policy.retention_ms);
    // A block reaches beyond its last window by less than its length.
    let before = signed(retained.saturating_sub(Level::Day.length_ms()));
    let process_before = signed(now_ms.saturating_sub(PROCESS_MS));
    store.write(|writer| {
        writer.transaction("forget what has expired", |transaction| {
            transaction.execute("DELETE FROM durable WHERE touched_ms < ?1", [before])?;
            transaction.execute("DELETE FROM instance WHERE last_ms < ?1", [before])?;
            transaction.execute("DELETE FROM version WHERE last_ms < ?1", [before])?;
            transaction
                .execute("DELETE FROM mention WHERE version NOT IN (SELECT id FROM version)", [])?;
            transaction.execute(
                "DELETE FROM process WHERE last_ms < ?1 AND NOT connected",
                [process_before],
            )?;
            Ok(())
        })?;
        writer.forget();
        Ok(())
    })
}

/// Gives free pages back to the file system.
fn give_back(store: &Sqlite, done: &mut Maintenance) -> Result<()> {
    let left = store.write(|writer| {
        let vacuum = || {
            let connection = writer.connection();
            let free = |connection: &Connection| {
                connection.query_row("PRAGMA freelist_count", [], |row| unsigned(row, 0))
            };
            if free(connection)? == 0 {
                return Ok(0);
            }
            let mut vacuum =
                connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            free(connection)
        };
        vacuum().map_err(store.engine.error("give space back"))
    })?;
    done.more |= left > u64::from(VACUUM_PAGES);
    Ok(())
}
