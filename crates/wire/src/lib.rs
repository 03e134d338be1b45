//! What sensor and agent say to each other.
//!
//! - [`frame`]: cutting a byte stream into frames, without doing any input or output.
//! - [`message`]: the messages, in the protobuf wire format, written as Rust types.
//! - [`window`]: one window of observations as parallel columns; also the payload of a store block.
//!
//! There is no field anywhere that could hold a value of the observed program (I-VALUE): only
//! names of code elements, positions, classes and counts. Everything that arrives is hostile until
//! checked: decoding bounds every length before allocating, and never panics.
//!
//! # The conversation
//!
//! The sensor opens the connection and sends [`message::Hello`]; the agent answers with
//! [`message::Welcome`] or [`message::Reject`]. The sensor then sends [`message::Define`] for each
//! function before the first window that mentions it, and [`window::Window`]s in rising `seq`, each
//! using up one credit. The agent answers every window with [`message::Ack`] once it is durable;
//! the sensor keeps a window until then and sends it again on a new connection. (instance, epoch,
//! seq) names a window for ever, so that it is counted exactly once (I-ONCE).

#![forbid(unsafe_code)]

pub mod frame;
pub mod message;
pub mod window;

/// The protocol version this crate speaks; it also understands [`MIN_VERSION`].
pub const VERSION: u32 = 1;

/// The oldest protocol version this crate understands.
pub const MIN_VERSION: u32 = 1;
