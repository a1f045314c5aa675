//! Statevectors: running a compiled circuit forward, measuring it, and running it backward.

pub(crate) mod abreast;
mod adjoint;
mod array;
mod bound;
mod halves;
mod layer;
mod permute;
mod phase;
mod product;
mod readout;
mod real;
mod rotate;
mod sample;
mod simulate;
mod tiles;
mod vector;

pub use adjoint::Start;
pub(crate) use array::Array;
pub use halves::Read;
pub use real::Real;
pub(crate) use real::fma;
pub use sample::sample;
pub use simulate::{Evolution, Measured, Program, check_params};
pub(crate) use tiles::Shared;
pub use vector::{Rooms, Vector, Workspace};
