//! Both stores of this crate pass the suite.

use forksight_store::{Memory, Sqlite, conformance};

#[test]
fn the_model_conforms() {
    conformance::check(Memory::new);
}

#[test]
fn sqlite_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance::check(|| {
        count.set(count.get() + 1);
        Sqlite::open_writer(dir.path().join(count.get().to_string())).unwrap()
    });
}
