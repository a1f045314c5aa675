//! Maximum mean discrepancy between distributions over binary weights, with Hamming kernels.
//!
//! `MMD^2(q, p) = (q - p)' K (q - p)`, from samples ([`mmd2`]), from samples against a factorised
//! prior in closed form ([`mmd2_to_prior`]), or from probability vectors ([`mmd2_exact`]).

mod attraction;
mod butterfly;
mod distances;
mod exact;
mod kernel;
mod passes;
mod prior;
mod samples;
mod tile;

pub use attraction::Attraction;
pub use exact::{apply_kernel, kernel_eigenvalues, mmd2_exact, witness};
pub use kernel::HammingKernel;
pub use prior::{mean_embedding, median_hamming_distance, prior_self_similarity};
pub use samples::{Estimator, mmd2, mmd2_to_prior};
