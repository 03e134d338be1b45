//! Questions to the database.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

use forksight_columns::{Folder, block, definition};
use forksight_model::Name;
use forksight_model::function::{Function, FunctionId};
use forksight_wire::message::{FunctionDef, Hello, Status};
use forksight_wire::window::{Shed, Window};
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::connection::Engine;
use super::write;
use crate::{
    BlockInfo, Error, Finding, FindingState, Group, GroupKey, Grouping, Instance, Level, Process,
    Result, Selection, Service, Stats, Version,
};

/// What blocks that cannot be read are counted under in the family `shed`.
pub(super) const DAMAGED: &str = "damaged blocks";

pub(super) fn function(
    connection: &Connection,
    engine: &Engine,
    id: FunctionId,
) -> Result<Option<Arc<Function>>> {
    let definition: Option<Vec<u8>> = connection
        .prepare_cached("SELECT definition FROM function WHERE id = ?1")
        .and_then(|mut select| select.query_row([id.0], |row| row.get(0)).optional())
        .map_err(engine.error("read a function"))?;
    definition.map(|bytes| parse_function(engine, &bytes)).transpose()
}

pub(super) fn functions(
    connection: &Connection,
    engine: &Engine,
    service: &str,
    version: Option<&str>,
) -> Result<Vec<(FunctionId, Arc<Function>)>> {
    let read = || {
        let mut select = connection.prepare_cached(
            "SELECT function.id, definition FROM function JOIN service ON service.id = service
             WHERE service.name = ?1 AND (?2 IS NULL OR function.id IN (
                 SELECT function FROM mention JOIN version ON version.id = mention.version
                 WHERE version.service = service.id AND version.name = ?2))
             ORDER BY function.id",
        )?;
        let rows = select.query_map(params![service, version], |row| {
            Ok((FunctionId(row.get(0)?), row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(engine.error("read functions"))?;
    rows.into_iter().map(|(id, bytes)| Ok((id, parse_function(engine, &bytes)?))).collect()
}

fn parse_function(engine: &Engine, bytes: &[u8]) -> Result<Arc<Function>> {
    let definition = FunctionDef::decode(bytes).ok();
    let function = definition.and_then(|definition| definition::from_wire(&definition).ok());
    function.map(Arc::new).ok_or_else(|| damaged(engine, "a function cannot be read"))
}

fn damaged(engine: &Engine, detail: &str) -> Error {
    Error::Damaged { path: engine.path.clone(), detail: detail.to_owned() }
}

pub(super) fn durable_seq(
    connection: &Connection,
    engine: &Engine,
    instance: &str,
    epoch: u64,
) -> Result<u64> {
    write::durable_seq(connection, instance, epoch).map_err(engine.error("read what is durable"))
}

pub(super) fn services(connection: &Connection, engine: &Engine) -> Result<Vec<Service>> {
    let read = || {
        let mut instances: HashMap<i64, Vec<Instance>> = HashMap::new();
        let mut select = connection.prepare_cached(
            "SELECT version, name, first_ms, last_ms FROM instance ORDER BY first_ms, name",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            instances.entry(row.get(0)?).or_default().push(Instance {
                id: name(row, 1)?,
                first_seen_ms: unsigned(row, 2)?,
                last_seen_ms: unsigned(row, 3)?,
            });
        }
        let mut services: BTreeMap<Name, Vec<Version>> = BTreeMap::new();
        let mut select = connection.prepare_cached(
            "SELECT service.name, version.id, version.name, first_ms, last_ms
             FROM version JOIN service ON service.id = service ORDER BY first_ms, version.name",
        )?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            services.entry(name(row, 0)?).or_default().push(Version {
                name: name(row, 2)?,
                first_seen_ms: unsigned(row, 3)?,
                last_seen_ms: unsigned(row, 4)?,
                instances: instances.remove(&row.get(1)?).unwrap_or_default(),
            });
        }
        Ok(services.into_iter().map(|(name, versions)| Service { name, versions }).collect())
    };
    read().map_err(engine.error("read services"))
}

pub(super) fn processes(connection: &Connection, engine: &Engine) -> Result<Vec<Process>> {
    let read = || {
        let mut select = connection.prepare_cached(
            "SELECT hello, status, connected, last_ms FROM process ORDER BY last_ms DESC, instance",
        )?;
        let rows = select
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, unsigned(row, 3)?)))?;
        rows.collect::<rusqlite::Result<Vec<(Vec<u8>, Option<Vec<u8>>, bool, u64)>>>()
    };
    let rows = read().map_err(engine.error("read processes"))?;
    rows.into_iter()
        .map(|(hello, status, connected, last_seen_ms)| {
            let hello = Hello::decode(&hello[..]).ok();
            let status = status.map(|bytes| Status::decode(&bytes[..])).transpose().ok();
            match (hello, status) {
                (Some(hello), Some(status)) => {
                    Ok(Process { hello, status, connected, last_seen_ms })
                }
                _ => Err(damaged(engine, "a process cannot be read")),
            }
        })
        .collect()
}

const FINDING: &str = "SELECT id, service, state, first_ms, last_ms, document FROM finding";

fn parse_finding(row: &Row<'_>) -> rusqlite::Result<Finding> {
    Ok(Finding {
        id: name(row, 0)?,
        service: name(row, 1)?,
        state: FindingState::from_name(&row.get::<_, String>(2)?).unwrap_or_default(),
        first_seen_ms: unsigned(row, 3)?,
        last_seen_ms: unsigned(row, 4)?,
        document: row.get(5)?,
    })
}

pub(super) fn finding(
    connection: &Connection,
    engine: &Engine,
    id: &str,
) -> Result<Option<Finding>> {
    connection
        .prepare_cached(&format!("{FINDING} WHERE id = ?1"))
        .and_then(|mut select| select.query_row([id], parse_finding).optional())
        .map_err(engine.error("read a finding"))
}

pub(super) fn findings(
    connection: &Connection,
    engine: &Engine,
    service: Option<&str>,
) -> Result<Vec<Finding>> {
    let read = || {
        let mut select = connection.prepare_cached(&format!(
            "{FINDING} WHERE ?1 IS NULL OR service = ?1 ORDER BY last_ms DESC, id"
        ))?;
        select.query_map([service], parse_finding)?.collect::<rusqlite::Result<Vec<_>>>()
    };
    read().map_err(engine.error("read findings"))
}

pub(super) fn setting(
    connection: &Connection,
    engine: &Engine,
    key: &str,
) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM setting WHERE key = ?1")
        .and_then(|mut select| select.query_row([key], |row| row.get(0)).optional())
        .map_err(engine.error("read a setting"))
}

pub(super) fn stats(connection: &Connection, engine: &Engine) -> Result<Stats> {
    let read = || {
        let mut stats = Stats { bytes: used_bytes(connection)?, ..Stats::default() };
        let mut select = connection
            .prepare_cached("SELECT level, count(*), min(start_ms) FROM block GROUP BY level")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            stats.blocks[level(row, 0)? as usize] = unsigned(row, 1)?;
            let oldest = unsigned(row, 2)?;
            stats.oldest_ms = Some(stats.oldest_ms.map_or(oldest, |known| known.min(oldest)));
        }
        stats.windows_expired = counter(connection, EXPIRED)?;
        stats.windows_evicted = counter(connection, EVICTED)?;
        Ok(stats)
    };
    read().map_err(engine.error("read the size of the store"))
}

/// Counter of windows deleted because of their age.
pub(super) const EXPIRED: &str = "windows_expired";
/// Counter of windows deleted because of the disk ceiling.
pub(super) const EVICTED: &str = "windows_evicted";

fn counter(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let n: Option<i64> = connection
        .prepare_cached("SELECT n FROM counter WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    Ok(n.unwrap_or(0) as u64)
}

/// Bytes in use, without free pages.
pub(super) fn used_bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let pragma = |name: &str| connection.query_row(name, [], |row| unsigned(row, 0));
    let pages = pragma("PRAGMA page_count")?.saturating_sub(pragma("PRAGMA freelist_count")?);
    Ok(pages * pragma("PRAGMA page_size")?)
}

pub(super) fn aggregate(
    connection: &Connection,
    engine: &Engine,
    selection: &Selection,
    grouping: Grouping,
) -> Result<Vec<Group>> {
    let mut groups: BTreeMap<GroupKey, (Group, Folder)> = BTreeMap::new();
    visit_blocks(connection, engine, selection, &mut |block, head, detail| {
        let (group, folder) = groups.entry(grouping.key(block)).or_insert_with_key(|key| {
            (Group::new(key.clone(), block), Folder::new(selection.filter.clone()))
        });
        group.widen(block);
        if sound(folder.add(head, detail))?.is_none() {
            folder.miss(DAMAGED);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    let finish = |(group, folder): (Group, Folder)| Group { aggregate: folder.finish(), ..group };
    Ok(groups.into_values().map(finish).collect())
}

pub(super) fn fold(
    connection: &Connection,
    engine: &Engine,
    selection: &Selection,
    visit: &mut dyn FnMut(&BlockInfo, Window) -> ControlFlow<()>,
) -> Result<()> {
    visit_blocks(connection, engine, selection, &mut |block, head, detail| {
        let window = sound(block::unpack_parts(head, detail, &selection.filter))?;
        Ok(visit(block, window.unwrap_or_else(damaged_window)))
    })
}

/// Stands for a block that cannot be read, so that readers see that something is missing.
fn damaged_window() -> Window {
    Window {
        strings: vec![String::new(), DAMAGED.to_owned()],
        shed: Some(Shed { what: vec![1], count: vec![1] }),
        ..Window::default()
    }
}

/// What is done with each block, its head and its detail.
type Visit<'a> = &'a mut dyn FnMut(&BlockInfo, &[u8], &[u8]) -> Result<ControlFlow<()>>;

/// Shows the blocks of `selection` to `visit`, by time; the detail is empty where nothing of it is
/// asked for.
fn visit_blocks(
    connection: &Connection,
    engine: &Engine,
    selection: &Selection,
    visit: Visit<'_>,
) -> Result<()> {
    let blocks = find(connection, selection).map_err(engine.error("find blocks"))?;
    let select = if block::head_is_enough(selection.filter.families) {
        "SELECT head, x'' FROM block WHERE id = ?1"
    } else {
        "SELECT head, detail FROM block WHERE id = ?1"
    };
    let mut select = connection.prepare_cached(select).map_err(engine.error("read blocks"))?;
    for (id, block) in blocks {
        let flow = select
            .query_row([id], |row| Ok(visit(&block, blob(row, 0), blob(row, 1))))
            .map_err(engine.error("read a block"))??;
        if flow.is_break() {
            break;
        }
    }
    Ok(())
}

/// The bytes in this column; none where it holds something else, which is no sound block either.
pub(super) fn blob<'a>(row: &'a Row<'_>, column: usize) -> &'a [u8] {
    row.get_ref(column).ok().and_then(|value| value.as_blob().ok()).unwrap_or_default()
}

/// What was read of a block, `None` for a damaged one.
///
/// # Errors
///
/// [`Error::NewerSchema`] where a newer program has written it.
pub(super) fn sound<T>(read: std::result::Result<T, block::Error>) -> Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(block::Error::Newer { version }) => {
            Err(Error::NewerSchema { found: u32::from(version), known: u32::from(block::VERSION) })
        }
        Err(_) => Ok(None),
    }
}

/// The blocks of `selection` by time, with their numbers.
fn find(connection: &Connection, selection: &Selection) -> rusqlite::Result<Vec<(i64, BlockInfo)>> {
    let mut found = Vec::new();
    let mut select = connection.prepare_cached(
        "SELECT version.id, version.name FROM version JOIN service ON service.id = service
         WHERE service.name = ?1 AND (?2 IS NULL OR version.name = ?2)",
    )?;
    let versions = select
        .query_map(params![&*selection.service, selection.version.as_deref()], |row| {
            Ok((row.get(0)?, name(row, 1)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, Name)>>>()?;
    for (version, version_name) in versions {
        let mut select =
            connection.prepare_cached("SELECT id, name FROM instance WHERE version = ?1")?;
        let instances = select
            .query_map([version], |row| Ok((row.get(0)?, name(row, 1)?)))?
            .collect::<rusqlite::Result<HashMap<i64, Name>>>()?;
        let mut select = connection.prepare_cached(
            "SELECT id, level, instance, start_ms, end_ms, windows FROM block
             WHERE version = ?1 AND start_ms >= ?2 AND start_ms < ?3",
        )?;
        let mut rows =
            select.query(params![version, signed(selection.from_ms), signed(selection.to_ms)])?;
        while let Some(row) = rows.next()? {
            let block = BlockInfo {
                level: level(row, 1)?,
                version: version_name.clone(),
                instance: instances.get(&row.get(2)?).cloned(),
                start_ms: unsigned(row, 3)?,
                end_ms: unsigned(row, 4)?,
                windows: unsigned(row, 5)?,
            };
            if selection.takes(&block) {
                found.push((row.get(0)?, block));
            }
        }
    }
    found.sort_by_key(|(id, block)| (block.start_ms, *id));
    Ok(found)
}

fn level(row: &Row<'_>, column: usize) -> rusqlite::Result<Level> {
    let number: i64 = row.get(column)?;
    let level = usize::try_from(number).ok().and_then(|number| Level::ALL.get(number));
    level.copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(column, number))
}

fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    Ok(row.get_ref(column)?.as_str()?.into())
}

/// Times and counts are never negative; stored as the engine's signed integers.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

/// `n`, or the highest number that the engine can hold.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
