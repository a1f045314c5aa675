//! What training minimises: `E_q[C] + weight * D(q, prior)`, its value and its gradient.
//!
//! Every objective is a function F(q) of the outcome distribution, and its gradient in the
//! parameters is that of the diagonal observable f = dF/dq held fixed. So an objective is a value
//! and a cotangent `f`, and one backward pass serves them all. A circuit that leaves a product of
//! independent bits, up to a relabelling of outcomes, takes neither pass.

mod contraction;
mod exact;
mod exact_product;
mod problem;
mod product;
mod sampled;
mod sampled_product;
mod tables;

pub use exact::exact;
pub use problem::Problem;
pub use sampled::{Shots, sampled};

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

/// An objective at one parameter vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// E_q[C] in nats.
    pub expected_cost: f64,
    /// The divergence, without its weight.
    pub divergence: f64,
    /// The derivatives by the parameters of the whole objective.
    pub gradient: Vec<f64>,
}
