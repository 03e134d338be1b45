//! What all in-process sensors share, without any input or output.

pub mod record;
