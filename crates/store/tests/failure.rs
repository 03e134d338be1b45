//! What goes wrong has a name, and loses nothing that was acknowledged.

use std::fs;
use std::path::Path;

use forksight_model::function::FunctionId;
use forksight_store::{
    Batch, Error, FILE, Grouping, Policy, SCHEMA, Selection, Sqlite, Store, conformance,
};

const F: FunctionId = FunctionId(1);

fn batch(seq: u64) -> Batch {
    conformance::batch("v1", "a", seq, seq * 10_000, &[(F, 1)])
}

fn calls(store: &Sqlite) -> u64 {
    let groups = store.aggregate(&Selection::service("shop"), Grouping::NONE).unwrap();
    groups.first().map_or(0, |g| g.aggregate.functions[&F].calls.n)
}

fn raw(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join(FILE)).unwrap()
}

#[test]
fn a_reader_of_nothing_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Sqlite::open_reader(dir.path()), Err(Error::NoData { .. })));
    let nowhere = Sqlite::open_reader(dir.path().join("none"));
    assert!(matches!(nowhere, Err(Error::NoData { .. })));
    assert!(!dir.path().join("none").exists(), "reading makes nothing");
    fs::write(dir.path().join(FILE), b"").unwrap();
    let unfinished = Sqlite::open_reader(dir.path());
    assert!(matches!(unfinished, Err(Error::NoData { .. })), "{unfinished:?}");
}

#[test]
fn a_second_writer_is_told_who_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sqlite::open_writer(dir.path()).unwrap();
    match Sqlite::open_writer(dir.path()) {
        Err(Error::Locked { holder, .. }) => {
            assert_eq!(holder.pid, std::process::id());
            assert!(holder.since_ms > 0);
        }
        other => panic!("{other:?}"),
    }
    let recovering = Sqlite::open_or_recover(dir.path(), Policy::default());
    assert!(matches!(recovering, Err(Error::Locked { .. })));
    drop(first);
    Sqlite::open_writer(dir.path()).unwrap();
}

#[test]
fn a_reader_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open_writer(dir.path()).unwrap());
    let reader = Sqlite::open_reader(dir.path()).unwrap();
    assert!(matches!(reader.append(vec![batch(1)]), Err(Error::ReadOnly)));
    assert!(matches!(reader.maintain(1), Err(Error::ReadOnly)));
    assert!(matches!(reader.set_setting("a", "b"), Err(Error::ReadOnly)));
}

#[test]
fn readers_outlive_the_writer_and_see_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let writer = Sqlite::open_writer(dir.path()).unwrap();
    let reader = Sqlite::open_reader(dir.path()).unwrap();
    writer.append(vec![batch(1)]).unwrap();
    assert_eq!(calls(&reader), 1);
    drop(writer);
    assert_eq!(calls(&reader), 1);
    Sqlite::open_writer(dir.path()).unwrap().append(vec![batch(2)]).unwrap();
    assert_eq!(calls(&reader), 2);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sqlite::open_writer(dir.path()).unwrap());
    raw(dir.path()).pragma_update(None, "user_version", SCHEMA + 1).unwrap();
    let before = fs::read(dir.path().join(FILE)).unwrap();
    for opened in [Sqlite::open_writer(dir.path()), Sqlite::open_reader(dir.path())] {
        let error = opened.unwrap_err();
        assert!(matches!(error, Error::NewerSchema { found: 2, known: 1 }), "{error}");
        assert!(error.to_string().contains("upgrade forksight"), "{error}");
    }
    let recovered = Sqlite::open_or_recover(dir.path(), Policy::default());
    assert!(matches!(recovered, Err(Error::NewerSchema { .. })), "newer is not damaged");
    assert!(fs::read(dir.path().join(FILE)).unwrap() == before, "not a byte has changed");
}

#[test]
fn closing_leaves_one_file_with_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open_writer(dir.path()).unwrap();
    store.append(vec![batch(1)]).unwrap();
    assert_eq!(calls(&store), 1);
    drop(store);
    let copy = tempfile::tempdir().unwrap();
    fs::copy(dir.path().join(FILE), copy.path().join(FILE)).unwrap();
    assert_eq!(calls(&Sqlite::open_reader(copy.path()).unwrap()), 1);
}

/// A store with some blocks, closed.
fn some(dir: &Path) {
    let store = Sqlite::open_writer(dir).unwrap();
    store.define("shop", &[conformance::function("f", 1)]).unwrap();
    for seq in 1..=50 {
        store.append(vec![batch(seq)]).unwrap();
    }
}

#[test]
fn a_damaged_store_is_moved_aside_and_a_fresh_one_made() {
    type Damage = (&'static str, fn(&mut Vec<u8>));
    let damage: [Damage; 3] = [
        ("no database", |bytes| bytes[..100].fill(7)),
        ("pages overwritten", |bytes| bytes[8192..8192 * 12].fill(0xa5)),
        ("cut short", |bytes| bytes.truncate(bytes.len() / 2)),
    ];
    for (what, damage) in damage {
        let dir = tempfile::tempdir().unwrap();
        some(dir.path());
        let path = dir.path().join(FILE);
        let mut bytes = fs::read(&path).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();

        let refused = Sqlite::open_writer(dir.path());
        assert!(matches!(refused, Err(Error::Damaged { .. })), "{what}: {refused:?}");
        let (store, recovered) = Sqlite::open_or_recover(dir.path(), Policy::default()).unwrap();
        let recovered = recovered.unwrap();
        let name = recovered.moved_to.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("forksight.db.damaged-"), "{name}");
        assert!(fs::read(&recovered.moved_to).unwrap() == bytes, "{what}: kept for the experts");
        assert_eq!(store.services().unwrap(), []);
        store.append(vec![batch(1)]).unwrap();
        assert_eq!(calls(&store), 1);
        drop(store);
        let (_, recovered) = Sqlite::open_or_recover(dir.path(), Policy::default()).unwrap();
        assert_eq!(recovered, None);
    }
}

#[test]
fn a_damaged_block_is_missed_and_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    some(dir.path());
    // One bit, where the engine does not look.
    raw(dir.path())
        .execute(
            "UPDATE block SET head = cast(substr(head, 1, 20) || x'00' || substr(head, 22) AS BLOB)
             WHERE start_ms IN (100000, 110000)",
            [],
        )
        .unwrap();
    let store = Sqlite::open_writer(dir.path()).unwrap();
    let whole = |store: &Sqlite| {
        let groups = store.aggregate(&Selection::service("shop"), Grouping::NONE).unwrap();
        let aggregate = &groups[0].aggregate;
        (aggregate.functions[&F].calls.n, aggregate.shed["damaged blocks"])
    };
    assert_eq!(whole(&store), (48, 2));
    while store.maintain(40 * 86_400_000).unwrap().more {}
    assert_eq!(store.stats().unwrap().blocks, [0, 0, 0, 0, 1]);
    assert_eq!(whole(&store), (48, 2), "folding does not forget it");
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let policy = Policy { ceiling_bytes: 512 << 10, ..Policy::default() };
    let store = Sqlite::open_writer_with(dir.path(), policy).unwrap();
    let calls: Vec<_> = (1..400).map(|n| (FunctionId(n), u64::from(n) * 7919)).collect();
    let batch = |seq| conformance::batch("v1", "a", seq, seq * 10_000, &calls);
    let mut seq = 1;
    let refused = loop {
        match store.append(vec![batch(seq), batch(seq + 1)]) {
            Ok(_) => seq += 2,
            Err(error) => break error,
        }
        assert!(seq < 10_000, "it never fills up");
    };
    assert!(matches!(refused, Error::DiskFull { .. }), "{refused:?}");
    assert_eq!(store.durable_seq("a", 1).unwrap(), seq - 1, "neither of the two is acknowledged");
    let groups = store.aggregate(&Selection::service("shop"), Grouping::NONE).unwrap();
    assert_eq!(groups[0].windows, seq - 1);

    let now = seq * 10_000;
    while store.maintain(now).unwrap().more {}
    let again = store.append(vec![batch(seq), batch(seq + 1)]).unwrap();
    assert_eq!(again.stored, 2, "upkeep makes room");
    let groups = store.aggregate(&Selection::service("shop"), Grouping::NONE).unwrap();
    assert_eq!(groups[0].windows + store.stats().unwrap().windows_evicted, seq + 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let store = Sqlite::open_writer(&dir).unwrap();
    store.append(vec![batch(1)]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    let mut files = 0;
    for file in fs::read_dir(&dir).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        files += 1;
    }
    assert_eq!(files, 4, "database, log, index of the log, lock");
}
