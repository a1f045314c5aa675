//! The one error type. A message names the argument, what was expected and what came.

use crate::simd::kernel;

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// What can go wrong with a caller's request.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// An argument has a value that cannot be used.
    #[error("{argument}: expected {expected}, got {got}")]
    Invalid {
        /// The argument's name, as the caller knows it.
        argument: &'static str,
        /// What would have been accepted.
        expected: String,
        /// What came instead.
        got: String,
    },
    /// The work does not fit into the memory that is free now.
    #[error("{what} needs {} but only {} of memory is available; {hint}", human(*needed), human(*available))]
    Memory {
        /// The thing that does not fit.
        what: String,
        /// Bytes it needs.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// What the user can do.
        hint: &'static str,
    },
}

impl Error {
    /// An [`Error::Invalid`] from anything that prints.
    pub fn invalid(
        argument: &'static str,
        expected: impl Into<String>,
        got: impl std::fmt::Display,
    ) -> Self {
        Self::Invalid { argument, expected: expected.into(), got: got.to_string() }
    }
}

/// Whether all numbers are finite.
pub fn all_finite(values: &[f64]) -> bool {
    values.chunks(1 << 12).all(are_finite)
}

kernel! {
    /// Without a branch a number, so that several are looked at together.
    fn are_finite(values: &[f64]) -> bool {
        values.iter().fold(true, |all, x| all & x.is_finite())
    }
}

/// Checks that `values` are all finite.
pub fn check_finite(argument: &'static str, values: &[f64]) -> Result<()> {
    if all_finite(values) {
        return Ok(());
    }
    match values.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(i) => Err(Error::invalid(
            argument,
            "finite numbers",
            format!("{} at flat position {i}", values[i]),
        )),
    }
}

/// How far the sum of a distribution's probabilities may be from 1: a circuit simulated in single
/// precision keeps its norm to about this.
const NORM_TOLERANCE: f64 = 1e-5;

/// Checks that `values` are finite, not negative, and sum to 1.
pub fn check_distribution(argument: &'static str, values: &[f64]) -> Result<()> {
    // Side by side and in one pass: values are many, and faults are looked for only if there are any.
    const LANES: usize = 16;
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (mut sums, mut right) = ([0.0; LANES], [true; LANES]);
    for chunk in chunks {
        for k in 0..LANES {
            sums[k] += chunk[k];
            right[k] &= chunk[k] >= 0.0;
        }
    }
    let sum = sums.iter().chain(rest).sum::<f64>();
    let right = right.iter().all(|right| *right) && rest.iter().all(|v| *v >= 0.0);
    if right && (sum - 1.0).abs() <= NORM_TOLERANCE {
        return Ok(());
    }
    check_finite(argument, values)?;
    if let Some(i) = values.iter().position(|&v| v < 0.0) {
        let got = format!("{} at position {i}", values[i]);
        return Err(Error::invalid(argument, "probabilities that are not negative", got));
    }
    Err(Error::invalid(argument, "probabilities that sum to 1", format!("a sum of {sum}")))
}

/// Checks that a length is the expected one.
pub fn check_len(argument: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::invalid(argument, format!("length {expected}"), format!("length {got}")))
}

fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_was_expected_and_what_came() {
        let e = Error::invalid("shots", "at least 1", 0);
        assert_eq!(e.to_string(), "shots: expected at least 1, got 0");
        let e = Error::Memory {
            what: "the state".into(),
            needed: 3 << 30,
            available: 512,
            hint: "use fewer qubits",
        };
        assert_eq!(
            e.to_string(),
            "the state needs 3.0 GiB but only 512 B of memory is available; use fewer qubits"
        );
    }

    #[test]
    fn non_finite_values_are_located() {
        assert!(
            check_finite("x", &[1.0, f64::NAN]).unwrap_err().to_string().contains("position 1")
        );
        assert!(check_finite("x", &[1.0, -2.0]).is_ok());
    }
}
