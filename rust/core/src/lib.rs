//! The numerical core of qhypernet: everything that touches 2^n numbers or many samples.
//!
//! Data flows one way: a [`circuit::Circuit`] is compiled once into a [`circuit::Plan`], which
//! [`state`] runs forward and backward; [`binn`] says what each measured bit string costs as a
//! binary neural network; [`mmd`] compares distributions over bit strings; [`objective`] joins
//! them into a number to minimise and its gradient. No Python type appears here.
//!
//! Every function runs on the rayon pool it is called in, and returns the same bits whatever that
//! pool's size: work is cut into pieces by the problem alone, and partial sums are added in order.

mod adam;
pub mod binn;
pub mod bits;
pub mod circuit;
pub mod error;
mod history;
mod logarithm;
pub mod memory;
pub mod mmd;
pub mod objective;
pub mod parallel;
pub mod rng;
mod simd;
pub mod state;
mod trigonometry;

pub use adam::{Adam, adam};
pub use error::{Error, Result};
pub use history::record;
pub use simd::{Level, level};
