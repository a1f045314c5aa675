//! Rows of parameters in groups: those of a group are evaluated side by side.

use std::ops::Range;

use super::exact::Whole;
use super::exact_abreast::WholeAbreast;
use super::exact_product::{self, WholeProduct};
use super::product::Product;
use super::sampled::{Drawn, Shots};
use super::sampled_product::DrawnProduct;
use super::{Divergence, Evaluations, Problem};
use crate::parallel::{Threads, map_batch};
use crate::state::Program;
use crate::state::abreast::Abreast;
use crate::{Error, Result};

/// Where an objective is taken from.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// The whole outcome distribution.
    Exact,
    /// Outcomes that are drawn from it.
    Sampled(Shots),
}

/// Where a group's objective is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The number of its first row.
    pub first: usize,
    /// Its rows of parameters, one after the other.
    pub params: &'a [f64],
    /// The divergence's weight.
    pub weight: f64,
    /// How many steps of training came before.
    pub step: u64,
}

/// A way to evaluate an objective for a group of rows.
pub trait Way: Sync {
    /// Where that is done, made once for many groups.
    type Room: Send;
    /// Rows of a group; the last one may have fewer.
    fn rows(&self) -> usize;
    /// Whether a group is too small to share between threads.
    fn is_small(&self) -> bool;
    /// Makes room.
    fn room(&self) -> Self::Room;
    /// Adds a group's evaluations to those that were found.
    fn evaluate(
        &self,
        asked: Asked<'_>,
        room: &mut Self::Room,
        threads: Threads,
        found: &mut Evaluations,
    ) -> Result<()>;
}

/// Evaluates a group, adding to what was found.
pub type Evaluate<'a> = dyn FnMut(Asked<'_>, &mut Evaluations) -> Result<()> + 'a;

/// Whether so many steps of so many rows are done before another thread has woken up: [`in_groups`]
/// then stays on the thread that it is called on, which need not be one of a pool's.
pub fn is_short(program: &Program, source: Source, [n_rows, n_steps]: [usize; 2]) -> bool {
    matches!(source, Source::Exact)
        && Product::of(program.measured()).is_some()
        && exact_product::is_short(program, n_rows.saturating_mul(n_steps))
}

/// Does some work for each group of `n_rows` rows, in order: it is given the group's evaluation and
/// the numbers of its rows, and asks for `n_steps` evaluations.
pub fn in_groups<R: Send>(
    program: &Program,
    problem: &Problem,
    divergence: &Divergence,
    source: Source,
    n @ [n_rows, _]: [usize; 2],
    work: impl Fn(&mut Evaluate<'_>, Range<usize>) -> R + Sync + Send,
) -> Result<Vec<R>> {
    let (n_qubits, n_weights) = (program.plan().n_qubits(), problem.n_weights());
    if n_qubits != n_weights {
        return Err(Error::invalid(
            "circuit",
            format!("{n_weights} qubits, one for each of the network's weights"),
            format!("{n_qubits} qubits"),
        ));
    }
    let is_short = is_short(program, source, n);
    let measured = program.measured();
    match (source, Product::of(measured)) {
        (Source::Exact, Some(product)) => {
            let way = WholeProduct::new(program, product, problem, divergence)?;
            Ok(run(&way, n_rows, is_short, work))
        }
        (Source::Sampled(shots), Some(product)) => {
            let way = DrawnProduct::new(program, product, problem, divergence, shots)?;
            Ok(run(&way, n_rows, is_short, work))
        }
        (Source::Sampled(shots), None) => {
            let way = Drawn::new(program, problem, divergence, shots, n_rows)?;
            Ok(run(&way, n_rows, is_short, work))
        }
        (Source::Exact, None) => {
            if let Some(plan) = Abreast::of(measured) {
                let way = WholeAbreast::new(program, plan, problem, divergence, n_rows)?;
                return Ok(run(&way, n_rows, is_short, work));
            }
            let way = Whole::new(program, problem, divergence, n_rows)?;
            Ok(run(&way, n_rows, is_short, work))
        }
    }
}

fn run<W: Way, R: Send>(
    way: &W,
    n_rows: usize,
    is_short: bool,
    work: impl Fn(&mut Evaluate<'_>, Range<usize>) -> R + Sync + Send,
) -> Vec<R> {
    let rows = way.rows();
    let group = |room: &mut W::Room, i: usize, threads: Threads| {
        let mut evaluate =
            |asked: Asked<'_>, found: &mut Evaluations| way.evaluate(asked, room, threads, found);
        work(&mut evaluate, i * rows..((i + 1) * rows).min(n_rows))
    };
    let n_groups = n_rows.div_ceil(rows);
    if is_short {
        let mut room = way.room();
        return (0..n_groups).map(|i| group(&mut room, i, Threads::One)).collect();
    }
    map_batch(n_groups, way.is_small(), || way.room(), group)
}
