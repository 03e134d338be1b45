//! What Forksight knows about running code, for every runtime alike (I-ONE-MODEL).
//!
//! - [`function`]: what a function is and which decisions it holds.
//! - [`path`]: which outcomes one call saw, and how it ended.
//! - [`shape`]: the closed set of input classes; there is no variant that could hold a value.
//! - [`aggregate`]: counts over many calls. Every family is a commutative monoid under merge
//!   (I-MERGE): any order and grouping of windows, instances and shards gives the same answer.
//! - [`sample`]: single observed calls and entries, with the weight they were selected at.
//!
//! The crate does no input or output and cannot fail. Its types are not serialisable on purpose:
//! what crosses a process boundary is defined in `forksight-wire`.

#![forbid(unsafe_code)]

pub mod aggregate;
pub mod function;
pub mod path;
pub mod sample;
pub mod shape;

/// An interned or shared name of a code element: never a value.
pub type Name = std::sync::Arc<str>;
