//! What the distribution is trained on: the cost of every network, and the prior.

use crate::error::{Error, Result, check_finite};
use crate::memory;

/// Cost and prior of all 2^n networks.
#[derive(Debug, Clone)]
pub struct Problem {
    n_weights: usize,
    p_plus: Vec<f64>,
    pub(super) cost: Vec<f64>,
    pub(super) prior: Vec<f64>,
    pub(super) log_prior: Vec<f64>,
}

impl Problem {
    /// From the log-likelihood of every network, in nats, and each weight's prior probability of +1.
    pub fn new(log_likelihood_table: &[f64], p_plus: &[f64]) -> Result<Self> {
        let n = p_plus.len();
        if n > 40 || log_likelihood_table.len() != 1 << n {
            return Err(Error::invalid(
                "table",
                format!("2**{n} log-likelihoods, one for each setting of {n} weights"),
                format!("{} values", log_likelihood_table.len()),
            ));
        }
        check_finite("table", log_likelihood_table)?;
        check_p_plus(p_plus)?;
        memory::check("the table of cost and prior", 24 << n, "use fewer weights")?;
        let mut log_prior = vec![0.0; 1 << n];
        for (i, p) in p_plus.iter().enumerate() {
            let (plus, minus) = log_prior[..2 << i].split_at_mut(1 << i);
            for (a, b) in plus.iter_mut().zip(minus) {
                (*a, *b) = (*a + p.ln(), *a + (-p).ln_1p());
            }
        }
        Ok(Self {
            n_weights: n,
            p_plus: p_plus.to_vec(),
            cost: log_likelihood_table.iter().map(|l| -l).collect(),
            prior: log_prior.iter().map(|l| l.exp()).collect(),
            log_prior,
        })
    }

    /// Number of weights.
    pub fn n_weights(&self) -> usize {
        self.n_weights
    }

    /// Each weight's prior probability of +1.
    pub fn p_plus(&self) -> &[f64] {
        &self.p_plus
    }
}

/// Checks prior probabilities of +1.
pub fn check_p_plus(p_plus: &[f64]) -> Result<()> {
    match p_plus.iter().find(|p| !(**p > 0.0 && **p < 1.0)) {
        None => Ok(()),
        Some(p) => Err(Error::invalid("p_plus", "probabilities strictly between 0 and 1", p)),
    }
}
