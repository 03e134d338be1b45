//! Writes the store that `tests/golden.rs` opens, for a new schema version.

#[path = "../tests/golden/contents.rs"]
mod contents;

fn main() {
    let dir = std::env::args_os().nth(1).expect("usage: write_golden_store DIR");
    contents::write(dir.as_ref());
}
