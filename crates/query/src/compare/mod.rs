//! What behaves differently between two populations.
