//! From the user's gates to what the simulator runs.
//!
//! [`gate`] is the table of gates, [`Circuit`] a list of them, and [`Plan`] the same circuit
//! rewritten into three kinds of stages: real rotations, phases and permutations of outcomes.
//! [`passes`] deals the stages out to sweeps of a state that does not fit into a cache.

mod cut;
pub mod gate;
mod linear;
mod passes;
mod plan;

pub use cut::Cut;
pub use gate::Gate;
pub use linear::{LinearMap, Relabelling};
pub use passes::{Pass, passes};
pub use plan::{PhasePolynomial, Plan, Stage, Turn};

use crate::error::{Error, Result};

/// The angle of a parametrised gate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Angle {
    /// The value of parameter `i`, radians.
    Param(usize),
    /// So many times the value of parameter `i`, radians.
    Scaled(usize, f64),
    /// A constant, radians.
    Fixed(f64),
}

/// One gate at its place in a circuit.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// Which gate.
    pub gate: Gate,
    /// Its qubits; for a controlled gate the control comes first.
    pub qubits: Vec<usize>,
    /// Its angle, for gates that have one.
    pub angle: Option<Angle>,
}

/// Gates on `n_qubits` qubits that start in |0...0>.
#[derive(Debug, Clone, PartialEq)]
pub struct Circuit {
    n_qubits: usize,
    n_params: usize,
    instructions: Vec<Instruction>,
}

impl Circuit {
    /// An empty circuit, with `n_params` parameters that gates may refer to from the start.
    pub fn new(n_qubits: usize, n_params: usize) -> Result<Self> {
        if n_qubits == 0 {
            return Err(Error::invalid("n_qubits", "at least 1", n_qubits));
        }
        Ok(Self { n_qubits, n_params, instructions: Vec::new() })
    }

    /// Appends a gate. A parameter must exist already or be the next free one.
    pub fn push(&mut self, gate: Gate, qubits: &[usize], angle: Option<Angle>) -> Result<()> {
        let spec = gate.spec();
        if qubits.len() != spec.n_qubits {
            return Err(Error::invalid(
                "qubits",
                format!("{} for gate {}", spec.n_qubits, spec.name),
                format!("{qubits:?}"),
            ));
        }
        if let Some(q) = qubits.iter().find(|q| **q >= self.n_qubits) {
            return Err(Error::invalid("qubit", format!("0 to {}", self.n_qubits - 1), q));
        }
        if let [a, b] = qubits
            && a == b
        {
            return Err(Error::invalid(
                "qubits",
                format!("two different qubits for gate {}", spec.name),
                format!("qubit {a} twice"),
            ));
        }
        match (spec.generator.is_some(), angle) {
            (true, None) => {
                return Err(Error::invalid("angle", format!("an angle for {}", spec.name), "none"));
            }
            (false, Some(_)) => {
                return Err(Error::invalid("angle", format!("no angle for {}", spec.name), "one"));
            }
            (true, Some(Angle::Param(i) | Angle::Scaled(i, _))) if i > self.n_params => {
                return Err(Error::invalid(
                    "param",
                    format!("an index from 0 to {} (the next free one)", self.n_params),
                    i,
                ));
            }
            (true, Some(Angle::Fixed(value))) if !value.is_finite() => {
                return Err(Error::invalid("angle", "a finite number of radians", value));
            }
            (true, Some(Angle::Scaled(_, scale))) if !scale.is_finite() => {
                return Err(Error::invalid("scale", "a finite number", scale));
            }
            _ => {}
        }
        if let Some(Angle::Param(i) | Angle::Scaled(i, _)) = angle {
            self.n_params = self.n_params.max(i + 1);
        }
        self.instructions.push(Instruction { gate, qubits: qubits.to_vec(), angle });
        Ok(())
    }

    /// Number of qubits.
    pub fn n_qubits(&self) -> usize {
        self.n_qubits
    }

    /// Number of free parameters.
    pub fn n_params(&self) -> usize {
        self.n_params
    }

    /// The gates in order of application.
    pub fn instructions(&self) -> &[Instruction] {
        &self.instructions
    }
}
