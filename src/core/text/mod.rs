//! Words and names as text: what file systems and people take for the same.

pub mod folding;
pub mod names;
pub mod nearest;
pub mod short_names;
