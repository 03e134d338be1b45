//! [`Aggregate`](forksight_model::aggregate::Aggregate) to and from the columns of a
//! [`Window`](forksight_wire::window::Window).
//!
//! - [`encode`] and [`decode`] are inverse to each other up to the order of samples and of
//!   repeated rows, which add up.
//! - [`fold_into`] decodes only what a [`Filter`] asks for, into an aggregate that already holds
//!   something; [`Folder`] does so with many blocks of a store.
//! - [`renumber`] replaces function numbers in place, as the agent does with every window.
//! - [`definition`] converts functions, [`block`] makes the bytes that a store keeps.
//!
//! The crate does no input or output. Windows, definitions and blocks that arrive are hostile
//! until checked here: every length is bounded before it is allocated, and nothing panics.
//!
//! Function number 0 is no function. A row about a function that cannot be numbered is left out,
//! and counted under [`UNDEFINED`] in the family `shed` (I-HONEST).

#![forbid(unsafe_code)]

pub mod block;
mod chunk;
pub mod definition;
mod encode;
mod filter;
mod fold;
mod folder;
mod renumber;

pub use encode::{WindowHeader, encode};
pub use filter::{Families, Filter, FunctionSet};
pub use fold::{decode, fold_into};
pub use folder::Folder;
pub use forksight_wire::window::Malformed;
pub use renumber::renumber;

/// What rows left out for want of a function number are counted under in the family `shed`.
pub const UNDEFINED: &str = "undefined functions";
