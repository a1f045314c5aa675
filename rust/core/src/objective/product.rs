//! Circuits that only turn qubits apart and then relabel outcomes: bit q is drawn on its own, with
//! P(z_q = 1) = sin^2(theta_q / 2), and what is measured is w = A z + b over GF(2).
//!
//! One layer of rotations with any entangling permutation after it is such a circuit, whatever phases
//! stand between. No state is needed: an expectation is a contraction of a table with n factors.

use crate::circuit::{LinearMap, Plan, Stage, Turn};
use crate::trigonometry::sin_cos;

/// A product circuit.
pub struct Product<'a> {
    start: u64,
    turns: &'a [(usize, Turn)],
    /// From the product's outcomes to those that are measured.
    pub relabelling: LinearMap,
}

impl<'a> Product<'a> {
    /// Whether a circuit is one: if no rotation comes after the first stage.
    pub fn is(plan: &Plan) -> bool {
        !plan.stages().iter().any(|stage| matches!(stage, Stage::Rotate(_)))
    }

    /// The circuit as a product, if it is one.
    pub fn of(plan: &'a Plan) -> Option<Self> {
        let mut relabelling = LinearMap::identity(plan.n_qubits());
        for stage in plan.stages() {
            match stage {
                Stage::Rotate(_) => return None,
                // No rotation makes a probability of it.
                Stage::Phase(_) => {}
                Stage::Permute(next) => relabelling = relabelling.then(next.map()),
            }
        }
        Some(Self { start: plan.start(), turns: plan.product(), relabelling })
    }

    /// Number of qubits.
    pub fn n_qubits(&self) -> usize {
        self.relabelling.n_bits()
    }

    /// Writes the amplitudes of 0 and 1, for each row of parameters and each qubit.
    pub fn amplitudes<'b>(
        &self,
        rows: impl ExactSizeIterator<Item = &'b [f64]>,
        mut write: impl FnMut(usize, usize, [f64; 2]),
    ) {
        let basis = |q: usize| if self.start >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let mut halves = Vec::with_capacity(rows.len() * self.turns.len());
        for (i, params) in rows.enumerate() {
            (0..self.n_qubits()).for_each(|q| write(i, q, basis(q)));
            halves.extend(self.turns.iter().map(|(_, turn)| turn.at(params) / 2.0));
        }
        let (mut sines, mut cosines) = (halves.clone(), halves.clone());
        sin_cos(&halves, &mut sines, &mut cosines);
        let width = self.turns.len().max(1);
        let rows = sines.chunks_exact(width).zip(cosines.chunks_exact(width));
        for (i, (sines, cosines)) in rows.enumerate() {
            for ((q, _), (sin, cos)) in self.turns.iter().zip(sines.iter().zip(cosines)) {
                let [zero, one] = basis(*q);
                write(i, *q, [cos * zero - sin * one, sin * zero + cos * one]);
            }
        }
    }

    /// Adds to a gradient what derivatives by each qubit's angle make of it.
    pub fn pull_back(&self, slope: impl Fn(usize) -> f64, gradient: &mut [f64]) {
        self.turns.iter().for_each(|(q, turn)| turn.pull_back(slope(*q), gradient));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Angle, Circuit, Gate};

    fn circuit() -> Circuit {
        let mut circuit = Circuit::new(4, 0).unwrap();
        circuit.push(Gate::X, &[3], None).unwrap();
        for q in 0..3 {
            circuit.push(Gate::Ry, &[q], Some(Angle::Param(q))).unwrap();
            circuit.push(Gate::T, &[q], None).unwrap();
        }
        for (control, target) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
            circuit.push(Gate::Cx, &[control, target], None).unwrap();
            circuit.push(Gate::S, &[target], None).unwrap();
        }
        circuit.push(Gate::X, &[1], None).unwrap();
        circuit
    }

    #[test]
    fn outcomes_and_parities_are_those_of_the_gates() {
        let plan = Plan::new(&circuit()).unwrap();
        let relabelling = Product::of(&plan).expect("a product").relabelling;
        let outcomes = relabelling.outcomes();
        for (z, w) in outcomes.iter().enumerate() {
            let mut expected = z as u32;
            for (control, target) in [(0, 1), (1, 2), (2, 3), (3, 0)] {
                expected ^= (expected >> control & 1) << target;
            }
            assert_eq!(*w, expected ^ 2);
            for (s, parity) in relabelling.parities().iter().enumerate() {
                let found = (z as u32 & parity).count_ones() ^ (2 & s as u32).count_ones();
                assert_eq!(found % 2, (*w & s as u32).count_ones() % 2);
            }
        }
    }

    #[test]
    fn a_rotation_after_an_entangler_is_no_product() {
        let mut circuit = circuit();
        circuit.push(Gate::Rz, &[1], Some(Angle::Param(3))).unwrap();
        assert!(Product::of(&Plan::new(&circuit).unwrap()).is_some());
        circuit.push(Gate::Rx, &[1], Some(Angle::Param(4))).unwrap();
        assert!(Product::of(&Plan::new(&circuit).unwrap()).is_none());
    }
}
