//! The beginning of a circuit as a sum over a few pairs of halves.
//!
//! Qubits are cut into low and high ones. What acts on both sides looks at some bits of one side: a CX
//! at its control, a phase of two bits at one of them. Once such a bit is written down, each side goes
//! on by itself, and the state is a sum over what may have been written, the paths:
//! `psi(x, y) = sum over p of low(x, p) high(y, p)`, up to a factor. With m of these *path bits* that is
//! a product of matrices with 2^m columns, which needs one pass over the state where stages need several
//! each (the hybrid of Schrödinger's and Feynman's ways to simulate: Markov et al. 2018, arXiv
//! 1807.10749).
//!
//! Each side is an ordinary circuit on its qubits and, above them, the path bits, which it joins one after
//! the other as it comes to them. Where a path bit is written it starts as 0; on the other side, which reads
//! it, it starts as both values.

use std::f64::consts::FRAC_PI_2;
use std::ops::Range;

use super::linear::{LinearMap, Move, Relabelling};
use super::plan::{PhasePolynomial, Plan, Stage, Turn, merged};

/// States of fewer qubits are not cut.
const LEAST_QUBITS: usize = 11;
/// Low qubits, at least: products are made of 32 columns at a time.
const LEAST_LOW: usize = 5;
/// The most path bits.
const MOST_PATHS: usize = 6;

// What things cost, where a rotation of one amplitude costs 1: it takes 0.3 ns.

/// An amplitude of the whole, for each path.
const PATH: f64 = 0.5;
/// A side, however small it is, and each of its stages: angles, tables, room.
const SIDE: f64 = 6000.0;
const STAGE: f64 = 1200.0;

/// Of what all stages cost, what a cut of some of them must save.
const LEAST_SAVED: f64 = 0.12;

/// A stage, for each amplitude.
fn cost(stage: &Stage) -> f64 {
    match stage {
        Stage::Rotate(turns) => turns.len() as f64,
        Stage::Permute(_) => 2.0,
        Stage::Phase(_) => 4.0,
    }
}

/// A circuit whose beginning is cut.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Low qubits; the others are high.
    pub n_low: usize,
    /// Path bits: the highest bits of either side. A side's state lacks a factor of `sqrt(2)` for each one
    /// that it reads.
    pub n_paths: usize,
    /// The circuits of the low and of the high side.
    pub sides: [Plan; 2],
    /// What comes after the beginning.
    pub rest: Plan,
}

impl Cut {
    /// Cuts the first `n_stages` stages of a plan below qubit `n_low`.
    pub fn new(plan: &Plan, n_low: usize, n_stages: usize) -> Self {
        let (beginning, rest) = plan.stages().split_at(n_stages);
        let told: Vec<Told> = beginning.iter().map(|stage| Told::by(stage, n_low)).collect();
        let n_paths = told.iter().map(Told::n_paths).sum();
        let sides = [0, 1].map(|side| {
            let bits = Bits::of_side(side, n_low, plan.n_qubits(), n_paths);
            let mut product = bits.turns(plan.product());
            let mut pieces = Vec::new();
            let mut path = bits.qubits.len();
            for (stage, told) in beginning.iter().zip(&told) {
                let paths = path..path + told.n_paths();
                path = paths.end;
                let read = told.read_by(side, paths.start);
                product.extend(read.map(|p| (p, Turn::fixed(FRAC_PI_2))));
                pieces.extend(told.pieces(stage, side, &bits, paths.start));
            }
            plan.with(bits.all, bits.of(plan.start()), product, merged(&pieces))
        });
        let rest = plan.with(plan.n_qubits(), 0, Vec::new(), rest.to_vec());
        Self { n_low, n_paths, sides, rest }
    }

    /// Leaves to the sides what a relabelling that comes last does on either of them, and returns what
    /// is left of it: the bits of one side that are added to the other. All is left if something comes
    /// between, or if both sides are told of the other.
    pub fn absorb(&mut self, relabelling: &LinearMap) -> LinearMap {
        let n = relabelling.n_bits();
        let low = (1u64 << self.n_low) - 1;
        let own = |q: usize| if q < self.n_low { low } else { !low };
        let crosses = |qubits: Range<usize>| {
            qubits.into_iter().any(|q| relabelling.linear(1 << q) & !own(q) != 0)
        };
        let is_rest = !self.rest.stages().is_empty();
        if is_rest || (crosses(0..self.n_low) && crosses(self.n_low..n)) {
            return relabelling.clone();
        }
        let column = |q: usize| Some(relabelling.linear(1 << q) & own(q));
        let columns: Vec<_> = (0..n).map(column).collect();
        let apart = LinearMap::completed(&columns, relabelling.apply(0));
        for (side, plan) in self.sides.iter_mut().enumerate() {
            let bits = Bits::of_side(side, self.n_low, n, self.n_paths);
            let mut columns: Vec<_> = (0..bits.all).map(|p| Some(1 << p)).collect();
            for (bit, q) in bits.qubits.clone().enumerate() {
                columns[bit] = Some(bits.of(apart.linear(1 << q)));
            }
            let map = LinearMap::completed(&columns, bits.of(apart.apply(0)));
            if map != LinearMap::identity(bits.all) {
                plan.push(Stage::Permute(Relabelling::from_map(map)));
            }
        }
        apart.inverse().then(relabelling)
    }

    /// The cut that saves most, if one saves anything.
    pub fn best(plan: &Plan) -> Option<Self> {
        let n = plan.n_qubits();
        if n < LEAST_QUBITS {
            return None;
        }
        let amplitudes = |bits: usize| (1u64 << bits) as f64;
        let in_stages: f64 = plan.stages().iter().map(|stage| amplitudes(n) * cost(stage)).sum();
        let mut best = None;
        let mut most = 0.0;
        for n_low in LEAST_LOW.max(n / 2 - 2)..=n.div_ceil(2) + 2 {
            let (mut n_paths, mut stages, mut sides) = (0, 0.0, 0.0);
            for (i, stage) in plan.stages().iter().enumerate() {
                n_paths += Told::by(stage, n_low).n_paths();
                if n_paths > MOST_PATHS {
                    break;
                }
                stages += cost(stage);
                for own in [n_low, n - n_low] {
                    sides += amplitudes(own + n_paths) * cost(stage);
                }
                let fixed = 2.0 * (SIDE + STAGE * (i + 1) as f64);
                let whole = amplitudes(n) * (stages - PATH * amplitudes(n_paths));
                let saved = whole - sides - fixed;
                // Stages that come after often take as many passes as with those before them.
                let is_all = i + 1 == plan.stages().len();
                let least = if is_all { 0.0 } else { in_stages * LEAST_SAVED };
                if saved > most && saved > least {
                    (most, best) = (saved, Some((n_low, i + 1)));
                }
            }
        }
        best.map(|(n_low, n_stages)| Self::new(plan, n_low, n_stages))
    }
}

/// The bits of a side: those of its qubits in a row, and above them the paths.
#[derive(Clone)]
struct Bits {
    /// The qubits' numbers in the whole.
    qubits: Range<usize>,
    all: usize,
}

impl Bits {
    fn of_side(side: usize, n_low: usize, n_qubits: usize, n_paths: usize) -> Self {
        let qubits = [0..n_low, n_low..n_qubits][side].clone();
        let all = qubits.len() + n_paths;
        Self { qubits, all }
    }

    /// The bit of a qubit, if it is on this side.
    fn bit(&self, q: usize) -> Option<usize> {
        self.qubits.contains(&q).then(|| q - self.qubits.start)
    }

    /// A word of all qubits on this side.
    fn of(&self, word: u64) -> u64 {
        word >> self.qubits.start & ((1 << self.qubits.len()) - 1)
    }

    /// The rotations on this side.
    fn turns(&self, turns: &[(usize, Turn)]) -> Vec<(usize, Turn)> {
        turns.iter().filter_map(|(q, turn)| Some((self.bit(*q)?, turn.clone()))).collect()
    }
}

/// What a stage makes the sides tell each other: for each path bit the qubits of one side whose sum
/// it is, and the qubits of the other that it is added to, if the stage is a permutation. The low
/// side's come first.
struct Told {
    by_side: [Vec<[u64; 2]>; 2],
}

impl Told {
    fn by(stage: &Stage, n_low: usize) -> Self {
        let low = (1u64 << n_low) - 1;
        let by_side = match stage {
            Stage::Rotate(_) => [vec![], vec![]],
            Stage::Permute(relabelling) => {
                let map = relabelling.map();
                let qubits = 0..map.n_bits();
                [low, !low].map(|from| {
                    let mut told: Vec<[u64; 2]> = Vec::new();
                    for q in qubits.clone().filter(|q| from >> q & 1 == 1) {
                        // What is left of the qubit's image beyond the cut when what others tell
                        // is taken off.
                        let mut left = map.linear(1 << q) & !from;
                        for [sum, target] in &mut told {
                            if left ^ *target < left {
                                left ^= *target;
                                *sum |= 1 << q;
                            }
                        }
                        if left != 0 {
                            told.push([1 << q, left]);
                        }
                    }
                    told
                })
            }
            Stage::Phase(phase) => {
                let crossing = crossing(phase, n_low);
                let mut ends = [0, 1].map(|side| {
                    let mut ends: Vec<usize> = crossing.iter().map(|pair| pair[side]).collect();
                    ends.sort_unstable();
                    ends.dedup();
                    ends
                });
                // Either side's ends say all that the other has to know.
                let side = usize::from(ends[1].len() < ends[0].len());
                ends[1 - side].clear();
                ends.map(|ends| ends.iter().map(|q| [1 << q, 0]).collect())
            }
        };
        Self { by_side }
    }

    fn n_paths(&self) -> usize {
        self.by_side.iter().map(Vec::len).sum()
    }

    /// The path bits that one side reads, the first of both being `first`.
    fn read_by(&self, side: usize, first: usize) -> Range<usize> {
        let [of_low, of_high] = [&self.by_side[0], &self.by_side[1]].map(Vec::len);
        if side == 1 { first..first + of_low } else { first + of_low..first + of_low + of_high }
    }

    /// What a stage is on one side.
    fn pieces(&self, stage: &Stage, side: usize, bits: &Bits, first: usize) -> Vec<Stage> {
        let (read, written) = (self.read_by(side, first), self.read_by(1 - side, first));
        match stage {
            Stage::Rotate(turns) => {
                let own = bits.turns(turns);
                if own.is_empty() { vec![] } else { vec![Stage::Rotate(own)] }
            }
            Stage::Permute(relabelling) => {
                let map = relabelling.map();
                let mut columns: Vec<Option<u64>> = (0..bits.all).map(|p| Some(1 << p)).collect();
                for (bit, q) in bits.qubits.clone().enumerate() {
                    let told = self.by_side[side].iter().zip(written.clone());
                    let sums = told.filter(|([sum, _], _)| sum >> q & 1 == 1);
                    let image = bits.of(map.linear(1 << q));
                    columns[bit] = Some(sums.fold(image, |image, (_, p)| image | 1 << p));
                }
                for ([_, target], p) in self.by_side[1 - side].iter().zip(read) {
                    columns[p] = Some(bits.of(*target) | 1 << p);
                }
                // They are 0 before: what would become of 1 is free.
                columns[written].fill(None);
                let map = LinearMap::completed(&columns, bits.of(map.apply(0)));
                let is_needed = map != LinearMap::identity(bits.all);
                is_needed.then(|| Stage::Permute(Relabelling::from_map(map))).into_iter().collect()
            }
            Stage::Phase(phase) => {
                let mut pieces = Vec::new();
                let mut own = PhasePolynomial { silent: phase.silent, ..Default::default() };
                own.linear = bits.turns(&phase.linear);
                for ([sum, _], p) in self.by_side[side].iter().zip(written) {
                    let control = bits.of(*sum).trailing_zeros() as usize;
                    pieces.push(Stage::Permute(Relabelling::of(bits.all, Move::Add(control, p))));
                }
                let other = self.by_side[1 - side].iter().zip(read);
                let paths: Vec<(usize, usize)> =
                    other.map(|([sum, _], p)| (sum.trailing_zeros() as usize, p)).collect();
                for ((q, r), turn) in &phase.pairs {
                    let path = |q: usize| paths.iter().find(|path| path.0 == q).map(|path| path.1);
                    let is_own = bits.bit(*q).or(bits.bit(*r)).is_some();
                    let bit = |q: usize| bits.bit(q).or(path(q));
                    if let (Some(a), Some(b)) = (bit(*q), bit(*r))
                        && is_own
                    {
                        own.pairs.push(((a.min(b), a.max(b)), turn.clone()));
                    }
                }
                own.pairs.sort_by_key(|pair| pair.0);
                if !(own.linear.is_empty() && own.pairs.is_empty()) {
                    pieces.push(Stage::Phase(own));
                }
                pieces
            }
        }
    }
}

/// The pairs of a low and a high qubit that have a phase.
fn crossing(phase: &PhasePolynomial, n_low: usize) -> Vec<[usize; 2]> {
    let pairs = phase.pairs.iter().map(|((q, r), _)| [*q, *r]);
    pairs.filter(|[q, r]| *q < n_low && *r >= n_low).collect()
}
