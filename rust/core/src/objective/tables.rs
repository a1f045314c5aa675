//! A problem in the order of outcomes before a circuit's last relabelling, made once.

use super::{Divergence, Problem};
use crate::circuit::LinearMap;
use crate::mmd::{Attraction, HammingKernel, kernel_eigenvalues, prior_self_similarity};

/// A function of the outcome: a constant and what varies about it, if anything does.
#[derive(Debug)]
pub struct Function {
    pub constant: f64,
    pub varying: Option<Vec<f64>>,
}

impl Function {
    /// The middle of the values is the constant: what no gradient depends on rounds none either.
    fn new(mut values: Vec<f64>, n_bits: usize) -> Self {
        let (least, most) = values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        let constant = least + (most - least) / 2.0;
        // A sum or product over equal bits may round differently from one outcome to another.
        let rounding = 2.0 * n_bits as f64 * f64::EPSILON * least.abs().max(most.abs());
        if most - least <= rounding {
            return Self { constant, varying: None };
        }
        values.iter_mut().for_each(|x| *x -= constant);
        Self { constant, varying: Some(values) }
    }

    /// The value at an outcome.
    pub fn at(&self, z: usize) -> f64 {
        self.constant + self.varying.as_ref().map_or(0.0, |values| values[z])
    }
}

/// What a divergence to the prior is made of.
#[derive(Debug)]
pub enum Terms {
    None,
    Kl {
        minus_log_prior: Function,
    },
    /// `q'Kq - 2 q'Kp + p'Kp`.
    Mmd {
        /// `K p`.
        embedding: Function,
        /// `p'Kp`.
        self_similarity: f64,
        /// The eigenvalue of K that the parity of each set of bits has: q'Kq is the sum of these
        /// times the squared mean parities.
        eigenvalues: Vec<f64>,
        /// Between outcomes that were measured.
        attraction: Attraction,
    },
}

/// A problem's tables, each entry for the outcome before relabelling.
#[derive(Debug)]
pub struct Tables {
    relabelling: LinearMap,
    divergence: Divergence,
    pub outcomes: Vec<u32>,
    pub cost: Function,
    pub terms: Terms,
}

impl Tables {
    pub fn new(problem: &Problem, relabelling: &LinearMap, divergence: &Divergence) -> Self {
        let n = problem.n_weights();
        let outcomes = relabelling.outcomes();
        let relabelled =
            |table: &[f64]| -> Vec<f64> { outcomes.iter().map(|w| table[*w as usize]).collect() };
        let terms = match divergence {
            Divergence::None => Terms::None,
            Divergence::Kl => {
                let values =
                    relabelled(&problem.outcomes.log_prior).into_iter().map(|l| -l).collect();
                Terms::Kl { minus_log_prior: Function::new(values, n) }
            }
            Divergence::Mmd(kernel) => {
                let mut eigenvalues = vec![0.0; 1 << n];
                let by_size = kernel_eigenvalues(kernel, n);
                for (set, parity) in relabelling.parities().into_iter().enumerate() {
                    eigenvalues[parity as usize] = by_size[set.count_ones() as usize];
                }
                Terms::Mmd {
                    embedding: Function::new(relabelled(&embedding(kernel, problem.p_plus())), n),
                    self_similarity: prior_self_similarity(problem.p_plus(), kernel),
                    eigenvalues,
                    attraction: Attraction::new(kernel, n),
                }
            }
        };
        Self {
            cost: Function::new(relabelled(&problem.outcomes.cost), 0),
            terms,
            outcomes,
            relabelling: relabelling.clone(),
            divergence: divergence.clone(),
        }
    }

    /// Whether these are the tables for that circuit and divergence.
    pub fn are_for(&self, relabelling: &LinearMap, divergence: &Divergence) -> bool {
        self.relabelling == *relabelling && self.divergence == *divergence
    }
}

/// `K p` at every outcome.
fn embedding(kernel: &HammingKernel, p_plus: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; 1 << p_plus.len()];
    let mut product = sum.clone();
    for s in kernel.bandwidths() {
        let e = (-2.0 / (s * s)).exp();
        product[0] = 1.0 / kernel.bandwidths().len() as f64;
        for (q, p) in p_plus.iter().enumerate() {
            let (zeros, ones) = product[..2 << q].split_at_mut(1 << q);
            for (a, b) in zeros.iter_mut().zip(ones) {
                (*a, *b) = (*a * (p + e * (1.0 - p)), *a * ((1.0 - p) + e * p));
            }
        }
        sum.iter_mut().zip(&product).for_each(|(s, x)| *s += x);
    }
    sum
}
