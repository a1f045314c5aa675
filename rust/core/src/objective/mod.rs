//! What training minimises: `E_q[C] + weight * D(q, prior)`, its value and its gradient.
//!
//! Every objective is a function F(q) of the outcome distribution, and its gradient in the
//! parameters is that of the diagonal observable f = dF/dq held fixed. So an objective is a value
//! and a cotangent `f`, and one backward pass serves them all. A circuit that leaves a product of
//! independent bits, up to a relabelling of outcomes, takes neither pass. Small states run side by side.

mod contraction;
mod exact;
mod exact_abreast;
mod exact_product;
mod problem;
mod product;
mod sampled;
mod sampled_product;
mod tables;

pub use exact::{exact, is_short};
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

/// An objective at each of some parameter vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluations {
    /// E_q[C] in nats.
    pub expected_cost: Vec<f64>,
    /// The divergence times its weight.
    pub regularizer: Vec<f64>,
    /// The derivatives of the sum of both, one vector after the other.
    pub gradient: Vec<f64>,
}

impl Evaluations {
    fn one(expected_cost: f64, regularizer: f64, gradient: Vec<f64>) -> Self {
        Self { expected_cost: vec![expected_cost], regularizer: vec![regularizer], gradient }
    }
}

impl FromIterator<Evaluations> for Evaluations {
    /// One after the other.
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        parts.into_iter().fold(Self::default(), |mut all, part| {
            all.expected_cost.extend(part.expected_cost);
            all.regularizer.extend(part.regularizer);
            all.gradient.extend(part.gradient);
            all
        })
    }
}
