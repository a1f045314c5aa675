//! What the distribution is trained on: the cost of every network, and the prior.

use std::sync::{Arc, Mutex, PoisonError};

use super::Divergence;
use super::tables::Tables;
use crate::circuit::LinearMap;
use crate::error::{Error, Result, check_finite};
use crate::memory;

/// Cost and prior of all 2^n networks.
#[derive(Debug)]
pub struct Problem {
    n_weights: usize,
    p_plus: Vec<f64>,
    pub(super) outcomes: Arc<Outcomes>,
    pub(super) prior: Vec<f64>,
    /// Outcomes in the order that a circuit asked for last.
    before: Mutex<Option<(LinearMap, Arc<Outcomes>)>>,
    /// The tables that a circuit asked for last.
    tables: Mutex<Option<Arc<Tables>>>,
}

/// What each outcome costs, and the logarithm of its prior probability.
#[derive(Debug)]
pub struct Outcomes {
    pub cost: Vec<f64>,
    pub log_prior: Vec<f64>,
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
            prior: log_prior.iter().map(|l| l.exp()).collect(),
            outcomes: Arc::new(Outcomes {
                cost: log_likelihood_table.iter().map(|l| -l).collect(),
                log_prior,
            }),
            before: Mutex::new(None),
            tables: Mutex::new(None),
        })
    }

    /// Number of weights.
    pub fn n_weights(&self) -> usize {
        self.n_weights
    }

    /// Outcomes by their numbers before a circuit's last relabelling: a training asks for the same ones
    /// at every step.
    pub(super) fn outcomes_before(&self, relabelling: &LinearMap) -> Result<Arc<Outcomes>> {
        if *relabelling == LinearMap::identity(self.n_weights) {
            return Ok(self.outcomes.clone());
        }
        let mut slot = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, outcomes)) = slot.as_ref().filter(|(map, _)| map == relabelling) {
            return Ok(outcomes.clone());
        }
        let bytes = 20 << self.n_weights;
        memory::check("cost and prior in the circuit's order", bytes, "use fewer weights")?;
        let numbers = relabelling.outcomes();
        let before = |table: &[f64]| numbers.iter().map(|w| table[*w as usize]).collect();
        let Outcomes { cost, log_prior } = &*self.outcomes;
        let outcomes = Outcomes { cost: before(cost), log_prior: before(log_prior) };
        Ok(slot.insert((relabelling.clone(), Arc::new(outcomes))).1.clone())
    }

    /// All that samples and products ask for, in the same order.
    pub(super) fn tables(
        &self,
        relabelling: &LinearMap,
        divergence: &Divergence,
    ) -> Result<Arc<Tables>> {
        let mut slot = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tables) = slot.as_ref().filter(|t| t.are_for(relabelling, divergence)) {
            return Ok(tables.clone());
        }
        let bytes = 40 << self.n_weights;
        memory::check("tables in the circuit's order", bytes, "use fewer weights")?;
        Ok(slot.insert(Arc::new(Tables::new(self, relabelling, divergence))).clone())
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
