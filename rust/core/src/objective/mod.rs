//! What training minimises: `E_q[C] + weight * D(q, prior)`, its value and its gradient.
//!
//! Every objective is a function F(q) of the outcome distribution, and its gradient in the
//! parameters is that of the diagonal observable f = dF/dq held fixed. So an objective is a value
//! and a cotangent `f`, and one backward pass serves them all. A circuit that leaves a product of
//! independent bits, up to a relabelling of outcomes, takes neither pass. Small states run side by side.

mod contraction;
mod descent;
mod evaluation;
mod exact;
mod exact_abreast;
mod exact_product;
mod groups;
mod problem;
mod product;
mod sampled;
mod sampled_product;
mod tables;

pub use descent::{Course, Descent, descend};
pub use evaluation::{Evaluations, evaluate};
pub use groups::{Source, is_short};
pub use problem::Problem;
pub use sampled::Shots;

use crate::mmd::HammingKernel;

/// How far the distribution is from the prior.
#[derive(Debug, Clone, PartialEq)]
pub enum Divergence {
    /// Not asked: maximum likelihood.
    None,
    /// KL(q || prior) in nats: the ELBO's. Needs log q.
    Kl,
    /// MMD^2(q, prior): the SELBO's. Samples are enough.
    Mmd(HammingKernel),
}

/// The objective `E_q[C] + weight * divergence`.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The divergence to the prior.
    pub divergence: Divergence,
    /// Its weight: beta for the KL, nats per unit for the MMD.
    pub weight: f64,
}
