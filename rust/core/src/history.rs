//! What is remembered of a step of training.

/// Numbers that are kept of each start and step.
pub const ROWS: usize = 4;

/// Writes down a step: for each start the objective and its parts, in nats, and the gradient's norm,
/// one after the other in `row`. The objective is the sum of both parts, or the regularizer alone.
/// Returns whether all objectives and gradients are finite.
pub fn record(
    row: &mut [f64],
    expected_nll: &[f64],
    regularizer: &[f64],
    gradient: &[f64],
    has_expected_nll: bool,
) -> bool {
    let n_starts = expected_nll.len();
    let n_params = gradient.len() / n_starts.max(1);
    let (objective, row) = row.split_at_mut(n_starts);
    let (nll, row) = row.split_at_mut(n_starts);
    let (kept, norm) = row.split_at_mut(n_starts);
    nll.copy_from_slice(expected_nll);
    kept.copy_from_slice(regularizer);
    let mut are_finite = true;
    for i in 0..n_starts {
        let part = if has_expected_nll { expected_nll[i] } else { 0.0 };
        objective[i] = part + regularizer[i];
        norm[i] = sum_of_squares(&gradient[i * n_params..(i + 1) * n_params]).sqrt();
        are_finite &= objective[i].is_finite() & norm[i].is_finite();
    }
    are_finite
}

/// In two sums, one of every other square, from the last pair to the first of each four: the order,
/// and so the bits, of NumPy's einsum.
fn sum_of_squares(values: &[f64]) -> f64 {
    let mut sums = [0.0; 2];
    let (fours, rest) = values.as_chunks::<8>();
    for pairs in fours {
        for pair in (0..4).rev() {
            for k in 0..2 {
                sums[k] += pairs[2 * pair + k] * pairs[2 * pair + k];
            }
        }
    }
    for pair in rest.chunks(2) {
        sums.iter_mut().zip(pair).for_each(|(sum, x)| *sum += x * x);
    }
    sums[0] + sums[1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_parts_sums_and_norms() {
        // Rows of 11 parameters: eight, a pair and one more.
        let gradient: Vec<f64> = (0..22).map(f64::from).collect();
        let squares = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
        let norms = [squares(&gradient[..11]).sqrt(), squares(&gradient[11..]).sqrt()];
        for (has_expected_nll, objective) in [(true, [5.5, 1.25]), (false, [0.5, -0.75])] {
            let mut row = [f64::NAN; 8];
            assert!(record(&mut row, &[5.0, 2.0], &[0.5, -0.75], &gradient, has_expected_nll));
            assert_eq!(row, [objective, [5.0, 2.0], [0.5, -0.75], norms].concat()[..]);
        }
    }

    #[test]
    fn tells_what_is_not_finite() {
        let record = |nll: f64, slope: f64, has_expected_nll: bool| {
            record(&mut [0.0; 8], &[1.0, nll], &[2.0; 2], &[0.0, 3.0, 4.0, slope], has_expected_nll)
        };
        assert!(record(1.0, 1.0, true));
        assert!(record(f64::NAN, 1.0, false));
        assert!(!record(f64::NAN, 1.0, true));
        // Its square is too large for a number.
        assert!(!record(1.0, 1e200, true));
    }
}
