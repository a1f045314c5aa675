//! Binary neural networks: what each measured bit string says about the data.
//!
//! A bit string is a row of weights, all +1 or -1, of a small network with real inputs. Many
//! networks are evaluated on the same points, so points lie in the vector lanes (feature-major)
//! and networks are spread over threads.
//!
//! The value of one network depends on its weights and the points alone, bit for bit: not on the
//! other networks of the call, on the pool, or on whether partial sums were tabulated.

mod activation;
mod bit_sums;
mod certain_signs;
mod common_units;
mod exponential;
mod factors;
mod first_layer;
mod half_spaces;
mod inference;
mod likelihood;
mod log_likelihood;
mod network;
mod orbits;
mod points;
mod predictive;
mod real;
mod rows;
mod sign;
mod sums;
mod symmetry;

pub use activation::Activation;
pub use likelihood::Likelihood;
pub use network::Network;
pub use predictive::Predictive;
pub use rows::Networks;
