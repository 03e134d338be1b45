//! What detection has found.
