//! The gate table: one row says everything there is to know about a gate.
//!
//! A row gives the gate's matrix (what it means) and its decomposition into [`Primitive`]s (how it
//! is run). A test multiplies the primitives out and compares, for every row.

use num_complex::Complex64;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_PI_2, FRAC_PI_4, PI};

use crate::error::{Error, Result};

/// An angle as an affine function of the gate's own: `fixed + times * theta`, in radians.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaled {
    /// The constant part.
    pub fixed: f64,
    /// What multiplies the gate's angle.
    pub times: f64,
}

/// What every gate is made of. Numbers are positions in the gate's list of qubits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Primitive {
    /// A real rotation, RY.
    Rotate(usize, Scaled),
    /// exp(i angle) where the qubit is 1.
    Phase(usize, Scaled),
    /// exp(i angle) where both qubits of the gate are 1.
    PairPhase(Scaled),
    /// exp(i angle) everywhere.
    Global(Scaled),
    /// NOT.
    Flip(usize),
    /// Controlled NOT: adds the first qubit to the second, modulo 2.
    Add(usize, usize),
}

/// A row of the gate table.
pub struct Spec {
    /// Which gate the row describes.
    pub gate: Gate,
    /// The gate's name, lower case, as in Qiskit.
    pub name: &'static str,
    /// How many qubits it acts on.
    pub n_qubits: usize,
    /// The Pauli string G of a gate exp(-i theta/2 G), up to a global phase; none without angle.
    pub generator: Option<&'static str>,
    /// The gate whose matrix is the inverse: itself (at -theta where it has an angle) or another.
    pub inverse: Gate,
    /// The matrix at an angle, row-major; the first qubit is the least significant bit.
    pub matrix: fn(f64) -> Vec<Complex64>,
    /// The same gate in primitives, in order of application.
    pub primitives: &'static [Primitive],
}

use Primitive::{Add, Flip, Global, PairPhase, Phase, Rotate};

const fn fixed(value: f64) -> Scaled {
    Scaled { fixed: value, times: 0.0 }
}

const fn theta(times: f64) -> Scaled {
    Scaled { fixed: 0.0, times }
}

macro_rules! gates {
    ($($gate:ident $name:literal $n_qubits:literal $generator:expr, $inverse:ident, $matrix:expr, $primitives:expr;)*) => {
        /// A gate of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs)]
        pub enum Gate { $($gate),* }

        /// Every gate there is.
        pub static TABLE: &[Spec] = &[$(Spec {
            gate: Gate::$gate,
            name: $name,
            n_qubits: $n_qubits,
            generator: $generator,
            inverse: Gate::$inverse,
            matrix: $matrix,
            primitives: $primitives,
        }),*];
    };
}

gates! {
    H "h" 1 None, H, |_| real(&[FRAC_1_SQRT_2, FRAC_1_SQRT_2, FRAC_1_SQRT_2, -FRAC_1_SQRT_2]),
        &[Phase(0, fixed(PI)), Rotate(0, fixed(FRAC_PI_2))];
    X "x" 1 None, X, |_| real(&[0.0, 1.0, 1.0, 0.0]), &[Flip(0)];
    Y "y" 1 None, Y, |_| vec![c(0.0, 0.0), c(0.0, -1.0), c(0.0, 1.0), c(0.0, 0.0)],
        &[Phase(0, fixed(PI)), Flip(0), Global(fixed(FRAC_PI_2))];
    Z "z" 1 None, Z, |_| diagonal(&[0.0, PI]), &[Phase(0, fixed(PI))];
    S "s" 1 None, Sdg, |_| diagonal(&[0.0, FRAC_PI_2]), &[Phase(0, fixed(FRAC_PI_2))];
    Sdg "sdg" 1 None, S, |_| diagonal(&[0.0, -FRAC_PI_2]), &[Phase(0, fixed(-FRAC_PI_2))];
    T "t" 1 None, Tdg, |_| diagonal(&[0.0, FRAC_PI_4]), &[Phase(0, fixed(FRAC_PI_4))];
    Tdg "tdg" 1 None, T, |_| diagonal(&[0.0, -FRAC_PI_4]), &[Phase(0, fixed(-FRAC_PI_4))];
    Sx "sx" 1 None, Sxdg, |_| vec![c(0.5, 0.5), c(0.5, -0.5), c(0.5, -0.5), c(0.5, 0.5)],
        &[Phase(0, fixed(FRAC_PI_2)), Rotate(0, fixed(FRAC_PI_2)), Phase(0, fixed(-FRAC_PI_2)),
          Global(fixed(FRAC_PI_4))];
    Sxdg "sxdg" 1 None, Sx, |_| vec![c(0.5, -0.5), c(0.5, 0.5), c(0.5, 0.5), c(0.5, -0.5)],
        &[Phase(0, fixed(FRAC_PI_2)), Rotate(0, fixed(-FRAC_PI_2)), Phase(0, fixed(-FRAC_PI_2)),
          Global(fixed(-FRAC_PI_4))];
    Rx "rx" 1 Some("X"), Rx, |t| pauli_rotation(t, &real(&[0.0, 1.0, 1.0, 0.0])),
        &[Phase(0, fixed(FRAC_PI_2)), Rotate(0, theta(1.0)), Phase(0, fixed(-FRAC_PI_2))];
    Ry "ry" 1 Some("Y"), Ry,
        |t| pauli_rotation(t, &[c(0.0, 0.0), c(0.0, -1.0), c(0.0, 1.0), c(0.0, 0.0)]),
        &[Rotate(0, theta(1.0))];
    Rz "rz" 1 Some("Z"), Rz, |t| diagonal(&[-t / 2.0, t / 2.0]),
        &[Phase(0, theta(1.0)), Global(theta(-0.5))];
    P "p" 1 Some("Z"), P, |t| diagonal(&[0.0, t]), &[Phase(0, theta(1.0))];
    Cx "cx" 2 None, Cx,
        |_| real(&[1., 0., 0., 0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 1., 0., 0.]), &[Add(0, 1)];
    Cz "cz" 2 None, Cz, |_| diagonal(&[0.0, 0.0, 0.0, PI]), &[PairPhase(fixed(PI))];
    Swap "swap" 2 None, Swap,
        |_| real(&[1., 0., 0., 0., 0., 0., 1., 0., 0., 1., 0., 0., 0., 0., 0., 1.]),
        &[Add(0, 1), Add(1, 0), Add(0, 1)];
    Rxx "rxx" 2 Some("XX"), Rxx,
        |t| pauli_rotation(t, &real(&[0., 0., 0., 1., 0., 0., 1., 0., 0., 1., 0., 0., 1., 0., 0., 0.])),
        &[Rotate(0, fixed(-FRAC_PI_2)), Rotate(1, fixed(-FRAC_PI_2)),
          Phase(0, theta(1.0)), Phase(1, theta(1.0)), PairPhase(theta(-2.0)), Global(theta(-0.5)),
          Rotate(0, fixed(FRAC_PI_2)), Rotate(1, fixed(FRAC_PI_2))];
    Ryy "ryy" 2 Some("YY"), Ryy,
        |t| pauli_rotation(t, &real(&[0., 0., 0., -1., 0., 0., 1., 0., 0., 1., 0., 0., -1., 0., 0., 0.])),
        &[Phase(0, fixed(-FRAC_PI_2)), Phase(1, fixed(-FRAC_PI_2)),
          Rotate(0, fixed(-FRAC_PI_2)), Rotate(1, fixed(-FRAC_PI_2)),
          Phase(0, theta(1.0)), Phase(1, theta(1.0)), PairPhase(theta(-2.0)), Global(theta(-0.5)),
          Rotate(0, fixed(FRAC_PI_2)), Rotate(1, fixed(FRAC_PI_2)),
          Phase(0, fixed(FRAC_PI_2)), Phase(1, fixed(FRAC_PI_2))];
    Rzz "rzz" 2 Some("ZZ"), Rzz, |t| diagonal(&[-t / 2.0, t / 2.0, t / 2.0, -t / 2.0]),
        &[Phase(0, theta(1.0)), Phase(1, theta(1.0)), PairPhase(theta(-2.0)), Global(theta(-0.5))];
}

impl Gate {
    /// The gate's row of the table.
    pub fn spec(self) -> &'static Spec {
        &TABLE[self as usize]
    }

    /// The gate of that name.
    pub fn from_name(name: &str) -> Result<Self> {
        TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.gate).ok_or_else(|| {
            let names: Vec<_> = TABLE.iter().map(|spec| spec.name).collect();
            Error::invalid("gate", format!("one of {}", names.join(", ")), format!("'{name}'"))
        })
    }
}

fn c(re: f64, im: f64) -> Complex64 {
    Complex64::new(re, im)
}

fn real(entries: &[f64]) -> Vec<Complex64> {
    entries.iter().map(|&x| c(x, 0.0)).collect()
}

fn diagonal(phases: &[f64]) -> Vec<Complex64> {
    let n = phases.len();
    let mut matrix = vec![c(0.0, 0.0); n * n];
    for (i, &phase) in phases.iter().enumerate() {
        matrix[i * n + i] = Complex64::cis(phase);
    }
    matrix
}

/// exp(-i theta/2 G) = cos(theta/2) - i sin(theta/2) G, as G squares to one.
fn pauli_rotation(theta: f64, generator: &[Complex64]) -> Vec<Complex64> {
    let n = generator.len().isqrt();
    let (sin, cos) = (theta / 2.0).sin_cos();
    let mut matrix: Vec<_> = generator.iter().map(|g| g * c(0.0, -sin)).collect();
    for i in 0..n {
        matrix[i * n + i] += cos;
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(a: &[Complex64], b: &[Complex64]) -> Vec<Complex64> {
        let n = a.len().isqrt();
        (0..n * n).map(|k| (0..n).map(|j| a[k / n * n + j] * b[j * n + k % n]).sum()).collect()
    }

    /// The matrix of a primitive, written from its definition, one column at a time.
    fn primitive_matrix(primitive: Primitive, t: f64, n_qubits: usize) -> Vec<Complex64> {
        let n = 1 << n_qubits;
        let angle = |a: Scaled| a.fixed + a.times * t;
        let mut m = vec![c(0.0, 0.0); n * n];
        for z in 0..n {
            match primitive {
                Rotate(q, a) => {
                    let (sin, cos) = (angle(a) / 2.0).sin_cos();
                    m[z * n + z] = c(cos, 0.0);
                    m[(z ^ 1 << q) * n + z] = c(if z >> q & 1 == 0 { sin } else { -sin }, 0.0);
                }
                Phase(q, a) => m[z * n + z] = Complex64::cis(angle(a) * (z >> q & 1) as f64),
                PairPhase(a) => m[z * n + z] = Complex64::cis(if z == 3 { angle(a) } else { 0.0 }),
                Global(a) => m[z * n + z] = Complex64::cis(angle(a)),
                Flip(q) => m[(z ^ 1 << q) * n + z] = c(1.0, 0.0),
                Add(from, to) => m[(z ^ (z >> from & 1) << to) * n + z] = c(1.0, 0.0),
            }
        }
        m
    }

    #[test]
    fn primitives_multiply_out_to_the_matrix() {
        for spec in TABLE {
            for t in [0.0, 0.7, -2.3, 3.9] {
                let mut product = diagonal(&vec![0.0; 1 << spec.n_qubits]);
                for &p in spec.primitives {
                    product = times(&primitive_matrix(p, t, spec.n_qubits), &product);
                }
                for (a, b) in product.iter().zip((spec.matrix)(t)) {
                    assert!((a - b).norm() < 1e-15 * 8.0, "{}: {a} is not {b}", spec.name);
                }
            }
        }
    }

    #[test]
    fn inverses_multiply_to_one() {
        for spec in TABLE {
            let product = times(&(spec.matrix)(0.9), &(spec.inverse.spec().matrix)(-0.9));
            for (a, b) in product.iter().zip(diagonal(&vec![0.0; 1 << spec.n_qubits])) {
                assert!((a - b).norm() < 1e-15 * 4.0, "{}", spec.name);
            }
        }
    }

    #[test]
    fn rows_stand_where_the_gate_looks_for_them() {
        for spec in TABLE {
            assert_eq!(spec.gate.spec().name, spec.name);
            assert_eq!(Gate::from_name(spec.name).unwrap(), spec.gate);
        }
        let message = Gate::from_name("cnot").unwrap_err().to_string();
        assert!(message.contains("one of h, x") && message.ends_with("got 'cnot'"), "{message}");
    }
}
