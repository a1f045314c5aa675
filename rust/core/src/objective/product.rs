//! Circuits that only turn qubits apart and then relabel outcomes: bit q is drawn on its own, with
//! P(z_q = 1) = sin^2(theta_q / 2), and what is measured is w = A z + b over GF(2).
//!
//! One layer of rotations with any entangling permutation after it is such a circuit, whatever phases
//! stand between. No state is needed: an expectation is a contraction of a table with n factors.

use crate::circuit::{LinearMap, Turn};
use crate::state::Measured;
use crate::trigonometry::sin_cos;

/// Angles that are turned at once.
const AT_ONCE: usize = 16;

/// A product circuit.
pub struct Product<'a> {
    start: u64,
    turns: &'a [(usize, Turn)],
    /// From the product's outcomes to those that are measured.
    pub relabelling: &'a LinearMap,
}

impl<'a> Product<'a> {
    /// What a measurement sees of a circuit as a product, if it is one: if no rotation comes after the
    /// first stage.
    pub fn of(measured: &'a Measured) -> Option<Self> {
        let (plan, relabelling) = (measured.program.plan(), &measured.relabelling);
        let product = Self { start: plan.start(), turns: plan.product(), relabelling };
        plan.stages().is_empty().then_some(product)
    }

    /// Number of qubits.
    pub fn n_qubits(&self) -> usize {
        self.relabelling.n_bits()
    }

    /// Writes each qubit's amplitudes of 0 and 1, of several rows of parameters side by side.
    pub fn amplitudes<const K: usize>(&self, rows: [&[f64]; K], out: &mut [[[f64; K]; 2]]) {
        for (q, amplitudes) in out.iter_mut().enumerate() {
            *amplitudes = self.basis(q).map(|x| [x; K]);
        }
        let mut halves = [[0.0; K]; AT_ONCE];
        let (mut sines, mut cosines) = (halves, halves);
        for turns in self.turns.chunks(AT_ONCE) {
            for (half, (_, turn)) in halves.iter_mut().zip(turns) {
                *half = turn.at_each(rows).map(|angle| angle / 2.0);
            }
            let some = halves[..turns.len()].as_flattened();
            sin_cos(some, sines.as_flattened_mut(), cosines.as_flattened_mut());
            for ((q, _), (sin, cos)) in turns.iter().zip(sines.iter().zip(&cosines)) {
                let [zero, one] = self.basis(*q);
                let [a, b] = &mut out[*q];
                *a = std::array::from_fn(|k| cos[k] * zero - sin[k] * one);
                *b = std::array::from_fn(|k| sin[k] * zero + cos[k] * one);
            }
        }
    }

    /// A qubit's amplitudes of 0 and 1 before it is turned.
    fn basis(&self, q: usize) -> [f64; 2] {
        if self.start >> q & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] }
    }

    /// Adds to the gradients of as many rows, one after the other, what derivatives by each qubit's
    /// angle make of them.
    pub fn pull_back<const K: usize>(
        &self,
        slopes: impl Fn(usize) -> [f64; K],
        n_params: usize,
        gradients: &mut [f64],
    ) {
        for (q, turn) in self.turns {
            turn.pull_back_each(slopes(*q), gradients, n_params);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Angle, Circuit, Gate};
    use crate::state::Program;

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
        let program = Program::new(&circuit()).unwrap();
        let relabelling = Product::of(program.measured()).expect("a product").relabelling;
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
        let is_product =
            |circuit: &Circuit| Product::of(Program::new(circuit).unwrap().measured()).is_some();
        circuit.push(Gate::Rz, &[1], Some(Angle::Param(3))).unwrap();
        assert!(is_product(&circuit));
        circuit.push(Gate::Rx, &[1], Some(Angle::Param(4))).unwrap();
        assert!(!is_product(&circuit));
    }
}
