//! A writer that is killed at any moment leaves a sound store in which every window that it
//! acknowledged is counted once; readers see whole appends all the while.
//!
//! The test runs itself as the writing process, so it has no harness.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use forksight_columns::Families;
use forksight_model::function::FunctionId;
use forksight_store::{Error, FILE, Grouping, Policy, Selection, Sqlite, Store, conformance};

const ROUNDS: u64 = 12;
const WINDOW_MS: u64 = 10_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--write-to") {
        write(Path::new(&arguments.next().expect("a directory")));
        return;
    }
    killed_writers_lose_nothing();
    println!("crash: a killed writer loses nothing it acknowledged: ok");
}

/// Folds soon, so that kills meet folding as well as appending.
fn policy() -> Policy {
    const MINUTE: u64 = 60_000;
    Policy { keep_ms: [2 * MINUTE, 15 * MINUTE, 120 * MINUTE, 2880 * MINUTE], ..Policy::default() }
}

/// The window of two instances with this number: each calls the function of that number once, and
/// function 1 besides.
fn windows(seq: u64) -> Vec<forksight_store::Batch> {
    let calls = [(FunctionId(1), 1), (FunctionId(seq as u32 + 1), 1)];
    let batch = |instance| conformance::batch("v1", instance, seq, seq * WINDOW_MS, &calls);
    vec![batch("a"), batch("b")]
}

/// Appends windows for ever, and writes the number of each to standard output once it is durable.
fn write(dir: &Path) {
    let store = Sqlite::open_writer_with(dir, policy()).expect("the store opens after a kill");
    let durable = store.durable_seq("a", 1).expect("what is durable is known");
    assert_eq!(store.durable_seq("b", 1).expect("what is durable is known"), durable);
    let mut out = std::io::stdout().lock();
    // As a sensor that missed the last acknowledgements sends again.
    for seq in durable.saturating_sub(2).max(1).. {
        store.append(windows(seq)).expect("the windows are stored");
        // Nothing is left to do once the test has closed the pipe.
        if writeln!(out, "{seq}").and_then(|()| out.flush()).is_err() {
            return;
        }
        store.maintain(seq * WINDOW_MS).expect("upkeep goes on");
    }
}

fn start(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg("--write-to")
        .arg(dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the writer starts");
    let out = BufReader::new(child.stdout.take().expect("its output is piped"));
    (child, out)
}

fn killed_writers_lose_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let (mut child, mut out) = start(dir.path());
        let mut lines = 0;
        let mut line = String::new();
        // A different number of windows each time, the last kills after many foldings.
        while lines < 5 + round * 17 {
            line.clear();
            assert_ne!(out.read_line(&mut line).expect("a line"), 0, "the writer ended");
            acknowledged = line.trim().parse().expect("a number");
            lines += 1;
            if lines == 2 {
                refused_while_running(dir.path(), child.id());
            }
            if lines % 16 == 0 {
                reads_whole(dir.path());
            }
        }
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
        // What it still said before it died, up to the last whole line.
        let mut rest = String::new();
        out.read_to_string(&mut rest).expect("its last words");
        let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
        if let Some(last) = whole.lines().last() {
            acknowledged = last.parse().expect("a number");
        }
        sound(dir.path(), acknowledged);
    }
    assert!(acknowledged > 300, "{acknowledged} windows were written");
}

fn refused_while_running(dir: &Path, pid: u32) {
    match Sqlite::open_writer(dir) {
        Err(Error::Locked { holder, .. }) => assert_eq!(holder.pid, pid),
        other => panic!("a second writer was let in: {other:?}"),
    }
}

/// Both instances append together, so a reader sees equal counts of them.
fn reads_whole(dir: &Path) {
    let reader = Sqlite::open_reader(dir).expect("readers read beside the writer");
    let selection = Selection::service("shop").families(Families::FUNCTIONS);
    let groups = reader.aggregate(&selection, Grouping::NONE).expect("readers are not locked out");
    let functions = &groups[0].aggregate.functions;
    assert!(functions.values().all(|f| f.calls.n % 2 == 0), "half an append was seen");
    let seqs = functions.len() as u64 - 1;
    assert_eq!(functions[&FunctionId(1)].calls.n, 2 * seqs);
    assert_eq!(groups[0].windows, 2 * seqs);
}

fn sound(dir: &Path, acknowledged: u64) {
    let engine = rusqlite::Connection::open(dir.join(FILE)).expect("the database opens");
    let check: String =
        engine.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("the check runs");
    assert_eq!(check, "ok");
    let reader = Sqlite::open_reader(dir).expect("the store opens");
    let durable = reader.durable_seq("a", 1).expect("what is durable is known");
    // One append may have been durable and not yet acknowledged.
    assert!(durable == acknowledged || durable == acknowledged + 1, "{durable} {acknowledged}");
    let groups = reader.aggregate(&Selection::service("shop"), Grouping::NONE).expect("it is read");
    let functions = &groups[0].aggregate.functions;
    for seq in 1..=durable {
        let calls = functions.get(&FunctionId(seq as u32 + 1)).map_or(0, |f| f.calls.n);
        assert_eq!(calls, 2, "window {seq} of {durable}, once of each instance");
    }
    assert_eq!(functions.len() as u64, durable + 1);
}
