//! Durable windows, functions, processes and findings.
//!
//! - [`Store`] is the trait that readers and the agent use.
//! - [`Memory`] is its model: small enough to be believed, and what [`Sqlite`] is compared with.
//! - [`Sqlite`] keeps one columnar block per instance and window in an SQLite database, folds old
//!   blocks into coarser ones, and stays under a disk ceiling.
//! - [`conformance`] is the suite that every implementation passes.
//!
//! A store does not interpret what it keeps: it gives windows back merged, nothing more.
//! Every call may block on the disk; call it from a thread that may wait.
//!
//! # Time
//!
//! A window belongs to the time at which it began, and a range of time is half open, so that
//! neighbouring ranges never count a window twice. Old windows are folded into coarser blocks,
//! each of which begins at a multiple of its length: ranges whose ends are multiples of the
//! coarsest length they touch read the same before and after folding; see [`Level`].

pub mod conformance;
mod error;
mod memory;
mod record;
mod selection;
mod sqlite;
mod thin;

use std::ops::ControlFlow;
use std::sync::Arc;

use forksight_model::function::{Function, FunctionId};
use forksight_wire::window::Window;

pub use error::{Error, Holder, Result};
pub use memory::Memory;
pub use record::{
    Appended, Batch, Finding, FindingState, Instance, Maintenance, Process, Service, Stats, Version,
};
pub use selection::{BlockInfo, Group, GroupKey, Grouping, Level, Selection};
pub use sqlite::{FILE, Policy, Recovered, SCHEMA, Sqlite};

/// What the agent writes and readers read.
///
/// Implementations are shared between threads. Reads see whole appends or nothing of them.
pub trait Store: Send + Sync {
    /// Numbers of `functions` of `service`, in their order; from 1, dense, never reused.
    ///
    /// A function that agrees in service, language, file, name, line, body hash, arguments and
    /// decisions with one defined before gets the number it had; of its other facts (root, file
    /// hash, …) the newest are kept.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where a function cannot be kept; nothing is defined then.
    fn define(&self, service: &str, functions: &[Function]) -> Result<Vec<FunctionId>>;

    /// The function with this number.
    fn function(&self, id: FunctionId) -> Result<Option<Arc<Function>>>;

    /// The functions of `service`: all ever defined, or those that windows of `version` mention.
    fn functions(
        &self,
        service: &str,
        version: Option<&str>,
    ) -> Result<Vec<(FunctionId, Arc<Function>)>>;

    /// Makes all `batches` durable, or none; they may be acknowledged once this returns.
    ///
    /// A window whose `seq` is not above the highest one that is durable for its (instance,
    /// epoch) has been counted before, and is left out (I-ONCE). Within one call windows may come
    /// in any order.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the columns of a window do not fit together,
    /// [`Error::DiskFull`] where there is no room; nothing has been stored then.
    fn append(&self, batches: Vec<Batch>) -> Result<Appended>;

    /// The highest `seq` of this instance and epoch that is durable; 0 for none.
    fn durable_seq(&self, instance: &str, epoch: u64) -> Result<u64>;

    /// Services with their versions and instances, by name; versions by first appearance.
    fn services(&self) -> Result<Vec<Service>>;

    /// Keeps what is known of these processes, in place of what was known of them before.
    fn put_processes(&self, processes: &[Process]) -> Result<()>;

    /// Every process that is known, the one seen last first.
    fn processes(&self) -> Result<Vec<Process>>;

    /// Shows every block of `selection` to `visit`, by time, until it breaks.
    ///
    /// Windows hold only the columns of the families that are asked for; rows of functions that
    /// are not asked for may be present. Function numbers are the store's.
    fn fold(
        &self,
        selection: &Selection,
        visit: &mut dyn FnMut(&BlockInfo, Window) -> ControlFlow<()>,
    ) -> Result<()>;

    /// Everything in `selection`, merged by `grouping`, in the order of the keys.
    fn aggregate(&self, selection: &Selection, grouping: Grouping) -> Result<Vec<Group>>;

    /// Keeps `finding`: a new one as it is; of one with a known id the document is replaced, the
    /// times are widened, and the state is replaced unless a person has muted it.
    fn put_finding(&self, finding: &Finding) -> Result<()>;

    /// Sets the state of a finding; `false` where there is no such finding.
    fn set_finding_state(&self, id: &str, state: FindingState) -> Result<bool>;

    /// The finding with this id.
    fn finding(&self, id: &str) -> Result<Option<Finding>>;

    /// All findings, of one service if given, the one seen last first.
    fn findings(&self, service: Option<&str>) -> Result<Vec<Finding>>;

    /// The value kept under `key`.
    fn setting(&self, key: &str) -> Result<Option<String>>;

    /// Keeps `value` under `key`.
    fn set_setting(&self, key: &str, value: &str) -> Result<()>;

    /// Does a bounded piece of the upkeep that is due at `now_ms` (milliseconds since 1970):
    /// folds old blocks, deletes expired ones, keeps below the disk ceiling, gives space back.
    ///
    /// Call it about once a second, and again at once while [`Maintenance::more`] is set.
    fn maintain(&self, now_ms: u64) -> Result<Maintenance>;

    /// How much is kept, and how much was given up since the store was made.
    fn stats(&self) -> Result<Stats>;
}
