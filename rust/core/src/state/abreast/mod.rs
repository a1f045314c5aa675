//! Small states side by side, some in each SIMD vector. What a single state spends on shuffles inside
//! its vectors, on angles and on tables is then shared, and a relabelling moves whole vectors.
//!
//! A row is a vector: one outcome's amplitude in every state, the real parts in the lower half of the
//! lanes and the imaginary ones in the upper. Real rotations treat both alike. States never meet: each
//! goes through the same operations whatever stands beside it, and at whatever place.

mod phases;
mod read;
mod rotate;
mod vectors;

use std::ops::Range;

use super::array::Array;
use super::simulate::Measured;
use crate::circuit::{LinearMap, PhasePolynomial, Plan, Stage, Turn};
use crate::simd::{MOST_LANES, kernel};
use crate::trigonometry::sin_cos;
use phases::{Overlaps, Phases};
use read::read;
use rotate::{After, Turns, apply, held_by_last, in_order, unapply};
pub use vectors::dots;
use vectors::{divide, multiply_out, scale, square};

/// Up to so many qubits states are run side by side: larger ones gain less, and one that is run alone
/// takes as long as all.
const MOST_QUBITS: usize = 11;
/// Up to so many even those that are mostly run on two sides.
const MOST_CUT: usize = 10;

/// Rotations, then phases, then a relabelling, each if there is one.
#[derive(Default)]
struct Layer<'a> {
    qubits: Vec<usize>,
    phases: Option<&'a PhasePolynomial>,
    /// The relabelling, as the last pass takes it.
    targets: Option<Vec<u32>>,
    /// The numbers of its rotations' angles, and of its phases'.
    angles: [Range<usize>; 2],
}

/// Where a relabelling moves the rows that the last pass of some rotations comes to.
fn targets(relabelling: &LinearMap, qubits: &[usize]) -> Vec<u32> {
    let n_qubits = relabelling.n_bits();
    let (outcomes, width) = (relabelling.outcomes(), 2 * n_abreast() as u32);
    in_order(&held_by_last(qubits, n_qubits), n_qubits).map(|row| outcomes[row] * width).collect()
}

/// A plan for states side by side.
pub struct Abreast<'a> {
    plan: &'a Plan,
    layers: Vec<Layer<'a>>,
    /// The qubits of the plan's product, whose angles are the first ones.
    product: Vec<usize>,
    /// The angles of all rotations, and those of all phases.
    turns: [Vec<&'a Turn>; 2],
    /// The outcome that each row of the last state stands for.
    outcomes: Vec<u32>,
}

impl<'a> Abreast<'a> {
    /// What a measurement sees of a program, if its states are small enough.
    pub fn of(measured: &'a Measured) -> Option<Self> {
        let plan = measured.program.plan();
        let most = if measured.program.is_mostly_cut() { MOST_CUT } else { MOST_QUBITS };
        if plan.n_qubits() > most {
            return None;
        }
        let product = plan.product().iter().map(|x| x.0).collect();
        let mut turns = [plan.product().iter().map(|x| &x.1).collect(), Vec::new()];
        let (mut layers, mut layer, mut filled) = (Vec::new(), Layer::default(), 0);
        for stage in plan.stages() {
            let place = match stage {
                Stage::Rotate(_) => 1,
                Stage::Phase(_) => 2,
                Stage::Permute(_) => 3,
            };
            if place <= filled {
                layers.push(std::mem::take(&mut layer));
            }
            filled = place;
            let [rotations, phases] = &mut turns;
            let first = [rotations.len(), phases.len()];
            match stage {
                Stage::Permute(relabelling) => {
                    layer.targets = Some(targets(relabelling.map(), &layer.qubits));
                }
                Stage::Rotate(turns) => {
                    layer.qubits = turns.iter().map(|x| x.0).collect();
                    rotations.extend(turns.iter().map(|x| &x.1));
                    layer.angles[0] = first[0]..rotations.len();
                }
                Stage::Phase(phase) => {
                    layer.phases = Some(phase);
                    phases.extend(phase.linear.iter().map(|x| &x.1));
                    phases.extend(phase.pairs.iter().map(|x| &x.1));
                    layer.angles[1] = first[1]..phases.len();
                }
            }
        }
        if filled > 0 {
            layers.push(layer);
        }
        Some(Self { plan, layers, product, turns, outcomes: measured.relabelling.outcomes() })
    }

    /// Number of states in a row's memory: one before and after each layer, and two for the cotangent.
    pub fn n_states(&self) -> usize {
        self.layers.len() + 3
    }

    /// Number of rows of a state.
    pub fn n_rows(&self) -> usize {
        1 << self.plan.n_qubits()
    }

    /// The outcome that a row of the last state stands for.
    pub fn outcome(&self, row: usize) -> usize {
        self.outcomes[row] as usize
    }
}

/// How many states run side by side.
pub fn n_abreast() -> usize {
    let mut lanes = 0;
    count_lanes::<f64>(&mut lanes);
    lanes / 2
}

kernel! {
    fn count_lanes<T as P>(lanes: &mut usize) {
        *lanes = 1 << P::LOG;
    }
}

/// Where some states are run.
pub struct Room {
    /// The states before the first layer, and after each one.
    states: Vec<Array<f64>>,
    /// Their cotangent, and room for the next one, or on the way forward for the next state.
    lambda: [Array<f64>; 2],
    layers: Vec<Bound>,
    /// Of rotations, and of phases.
    angles: [Angles; 2],
}

/// Half a row for each angle.
#[derive(Default)]
struct Angles {
    values: Vec<f64>,
    /// Sines, or the tangents of rotations.
    sines: Vec<f64>,
    cosines: Vec<f64>,
    /// A row for each one's derivatives, in two parts.
    derivatives: Vec<f64>,
}

/// A layer at each state's parameters.
struct Bound {
    /// The products of the rotations' cosines.
    factor: Vec<f64>,
    phases: Option<Phases<f64>>,
    overlaps: Overlaps<f64>,
}

impl Room {
    pub fn new(abreast: &Abreast<'_>) -> Self {
        let half = n_abreast();
        let array = |i: usize| Array::beside(i % 4, abreast.n_rows() * 2 * half);
        let layer = |layer: &Layer<'_>| {
            let n_qubits = abreast.plan.n_qubits();
            let held = held_by_last(&layer.qubits, n_qubits);
            let phases = layer.phases.map(|phases| Phases::new(n_qubits, &held, phases, half));
            let overlaps = phases.as_ref().map(Overlaps::new).unwrap_or_default();
            Bound { factor: vec![1.0; half], phases, overlaps }
        };
        Self {
            states: (0..=abreast.layers.len()).map(array).collect(),
            lambda: [1, 3].map(array),
            layers: abreast.layers.iter().map(layer).collect(),
            angles: <[Angles; 2]>::default(),
        }
    }

    /// Writes every state's probability of every row.
    pub fn probabilities(&self, out: &mut [f64]) {
        square(self.states.last().expect("at least the first"), out);
    }
}

impl Angles {
    /// Evaluates some turns, times a number.
    fn fill(&mut self, turns: &[&Turn], times: f64, params: &[&[f64]]) {
        self.values.clear();
        match *params {
            [a] => self.extend(turns, times, [a]),
            [a, b] => self.extend(turns, times, [a, b]),
            [a, b, c, d] => self.extend(turns, times, [a, b, c, d]),
            _ => unreachable!("half as many states as lanes"),
        }
        self.sines.resize(self.values.len(), 0.0);
        self.cosines.resize(self.values.len(), 0.0);
        sin_cos(&self.values, &mut self.sines, &mut self.cosines);
        self.derivatives.clear();
        self.derivatives.resize(2 * self.values.len(), 0.0);
    }

    fn extend<const K: usize>(&mut self, turns: &[&Turn], times: f64, params: [&[f64]; K]) {
        for turn in turns {
            self.values.extend(turn.at_each(params).map(|angle| times * angle));
        }
    }

    /// Adds the derivatives by some turns to gradients of `n_params`: sums of both parts' derivatives,
    /// each times a number.
    fn pull_back<const K: usize>(
        &self,
        turns: &[&Turn],
        times: [f64; 2],
        gradients: &mut [f64],
        n_params: usize,
    ) {
        for (turn, row) in turns.iter().zip(self.derivatives.chunks_exact(2 * K)) {
            let (lower, upper) = row.split_at(K);
            let both = |k: usize| times[0] * lower[k] + times[1] * upper[k];
            turn.pull_back_each::<K>(std::array::from_fn(both), gradients, n_params);
        }
    }
}

impl Abreast<'_> {
    /// Runs states with these parameters, as many as there is room for.
    pub fn run(&self, params: &[&[f64]], room: &mut Room) {
        let half = params.len();
        let Room { states, lambda: [spare, _], layers, angles: [rotations, phases] } = room;
        rotations.fill(&self.turns[0], 0.5, params);
        phases.fill(&self.turns[1], 1.0, params);
        self.start([&rotations.sines, &rotations.cosines], half, &mut states[0]);
        divide(&mut rotations.sines, &mut rotations.cosines);
        for (i, (layer, bound)) in self.layers.iter().zip(layers).enumerate() {
            let [own, of_phases] = layer.angles.clone().map(|x| x.start * half..x.end * half);
            bound.factor.fill(1.0);
            for cosines in rotations.cosines[own.clone()].chunks_exact(half) {
                bound.factor.iter_mut().zip(cosines).for_each(|(x, c)| *x *= c);
            }
            if let Some(tables) = &mut bound.phases {
                let own = [&phases.sines, &phases.cosines].map(|x| &x[of_phases.clone()]);
                tables.fill(own, &bound.factor);
            }
            let (before, after) = states.split_at_mut(i + 1);
            let turns = Turns { qubits: &layer.qubits, tangents: &rotations.sines[own] };
            let Bound { factor, phases, .. } = &*bound;
            let then = After { factor, phases: phases.as_ref(), targets: layer.targets.as_deref() };
            apply(turns, then, &before[i], spare, &mut after[0]);
        }
    }

    /// Writes the product that the first rotations make of the starting outcome.
    fn start(&self, [sines, cosines]: [&[f64]; 2], half: usize, out: &mut [f64]) {
        let (ones, zeros) = (&[1.0; MOST_LANES / 2][..half], &[0.0; MOST_LANES / 2][..half]);
        out[..half].copy_from_slice(ones);
        out[half..2 * half].copy_from_slice(zeros);
        for q in 0..self.plan.n_qubits() {
            let own = self.product.binary_search(&q).map(|i| i * half..(i + 1) * half);
            let [sines, cosines] =
                own.map_or([zeros, ones], |own| [&sines[own.clone()], &cosines[own]]);
            let mut minus = [0.0; MOST_LANES / 2];
            minus.iter_mut().zip(sines).for_each(|(x, s)| *x = -s);
            let is_one = self.plan.start() >> q & 1 == 1;
            let pair = if is_one { [&minus[..half], cosines] } else { [cosines, sines] };
            multiply_out(&mut out[..(4 * half) << q], pair);
        }
    }

    /// Adds to gradients the derivatives of `sum over rows of (factors - shift) * probability` for
    /// states that were run.
    pub fn adjoint(&self, room: &mut Room, factors: &[f64], shift: &[f64], gradients: &mut [f64]) {
        let half = shift.len();
        let Room { states, lambda: [lambda, spare], layers, angles: [rotations, phases] } = room;
        scale(factors, shift, states.last().expect("at least the first"), lambda);
        for (i, (layer, bound)) in self.layers.iter().zip(layers).enumerate().rev() {
            let Bound { factor, phases: tables, overlaps } = bound;
            let [own, of_phases] = layer.angles.clone().map(|x| x.start * half..x.end * half);
            overlaps.clear();
            let turns = Turns { qubits: &layer.qubits, tangents: &rotations.sines[own.clone()] };
            let targets = layer.targets.as_deref();
            let after = After { factor, phases: tables.as_ref(), targets };
            unapply(turns, after, &states[i + 1], overlaps, lambda, spare);
            std::mem::swap(lambda, spare);
            if let Some(tables) = tables {
                let sums = &mut phases.derivatives[2 * of_phases.start..2 * of_phases.end];
                overlaps.read(tables, sums);
            }
            let sums = &mut rotations.derivatives[2 * own.start..2 * own.end];
            read(&layer.qubits, &states[i], lambda, sums);
        }
        let of_product = &mut rotations.derivatives[..2 * self.product.len() * half];
        read(&self.product, &states[0], lambda, of_product);

        let signs = [[1.0, 1.0], [2.0, -2.0]];
        let n_params = self.plan.n_params();
        for ((turns, angles), signs) in self.turns.iter().zip([rotations, phases]).zip(signs) {
            match half {
                1 => angles.pull_back::<1>(turns, signs, gradients, n_params),
                2 => angles.pull_back::<2>(turns, signs, gradients, n_params),
                4 => angles.pull_back::<4>(turns, signs, gradients, n_params),
                _ => unreachable!("half as many states as lanes"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Angle, Circuit, Gate};
    use crate::state::Program;

    /// Whether so many layers of so many qubits, in a chain, are run side by side.
    fn are_abreast(n_qubits: usize, n_layers: usize) -> bool {
        let mut circuit = Circuit::new(n_qubits, 0).unwrap();
        for layer in 0..n_layers {
            for q in 0..n_qubits {
                let next = Angle::Param(layer * n_qubits + q);
                circuit.push(Gate::Ry, &[q], Some(next)).unwrap();
            }
            for q in 0..n_qubits - 1 {
                circuit.push(Gate::Cx, &[q, q + 1], None).unwrap();
            }
        }
        Abreast::of(Program::new(&circuit).unwrap().measured()).is_some()
    }

    #[test]
    fn states_are_abreast_where_that_is_faster() {
        assert!(are_abreast(2, 3) && are_abreast(MOST_CUT, 3));
        assert!(!are_abreast(MOST_QUBITS, 3), "mostly run on two sides");
        assert!(are_abreast(MOST_QUBITS, 16), "mostly run whole");
        assert!(!are_abreast(MOST_QUBITS + 1, 16));
    }
}
