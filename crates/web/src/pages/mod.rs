//! Pages for people.

pub mod hand_off;
