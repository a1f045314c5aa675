//! MMD against sums over all pairs, written out from the definitions.

use qhypernet_core::Result;
use qhypernet_core::bits::{PackedBits, bit};
use qhypernet_core::mmd::{
    Attraction, Estimator, HammingKernel, apply_kernel, mean_embedding, median_hamming_distance,
    mmd2, mmd2_exact, mmd2_to_prior, prior_self_similarity, witness,
};
use qhypernet_core::rng::{Purpose, generator, uniform};

/// Sums of some thousand numbers of at most one, in two orders of addition.
const ROUNDING: f64 = 1e-12;

/// Bandwidths other than 1, at which kernels between random rows are neither 0 nor 1.
fn kernels(n_bits: usize) -> [HammingKernel; 2] {
    let s = (n_bits as f64 / 2.0).sqrt();
    [HammingKernel::new(&[s]).unwrap(), HammingKernel::new(&[0.7 * s, s, 2.3 * s]).unwrap()]
}

fn naive_kernel(kernel: &HammingKernel, a: &[u64], b: &[u64], n_bits: usize) -> f64 {
    let weight = |row: &[u64], i: usize| -> f64 { if bit(row, i) { -1.0 } else { 1.0 } };
    let square: f64 = (0..n_bits).map(|i| (weight(a, i) - weight(b, i)).powi(2)).sum();
    let gaussians = kernel.bandwidths().iter().map(|s| (-square / (2.0 * s * s)).exp());
    gaussians.sum::<f64>() / kernel.bandwidths().len() as f64
}

fn naive_mean(a: &PackedBits, b: &PackedBits, kernel: &HammingKernel, skip_equal: bool) -> f64 {
    let row_mean = |i: usize| {
        let others = (0..b.len()).filter(|&j| !skip_equal || i != j);
        let values: Vec<f64> =
            others.map(|j| naive_kernel(kernel, a.row(i), b.row(j), a.n_bits())).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    (0..a.len()).map(row_mean).sum::<f64>() / a.len() as f64
}

fn draw(p_plus: &[f64], n_rows: usize, seed: u64) -> PackedBits {
    let rng = &mut generator(seed, Purpose::Prior, 0, 0);
    let bytes: Vec<u8> = (0..n_rows)
        .flat_map(|_| p_plus.iter().map(|p| u8::from(uniform(rng) >= *p)).collect::<Vec<_>>())
        .collect();
    PackedBits::from_bytes("bits", &bytes, p_plus.len()).unwrap()
}

/// A prior that treats no two bits alike and no sign as the other.
fn prior(n_bits: usize) -> Vec<f64> {
    (0..n_bits).map(|i| 0.15 + 0.8 * ((i * 5 + 2) % 11) as f64 / 11.0).collect()
}

fn prior_mass(p_plus: &[f64], z: usize) -> f64 {
    let factors = p_plus.iter().enumerate();
    factors.map(|(i, p)| if z >> i & 1 == 0 { *p } else { 1.0 - p }).product()
}

fn random_distribution(n_bits: usize, seed: u64) -> Vec<f64> {
    let rng = &mut generator(seed, Purpose::Start, 0, 0);
    let draw: Vec<f64> = (0..1 << n_bits).map(|_| uniform(rng).powi(4)).collect();
    let total: f64 = draw.iter().sum();
    draw.iter().map(|p| p / total).collect()
}

fn assert_close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= ROUNDING, "{what}: {got}, expected {want}");
}

#[test]
fn samples_against_samples() {
    for n in [1, 5, 63, 64, 65, 130, 200] {
        let (q, p) = (draw(&prior(n), 90, 1), draw(&vec![0.5; n], 77, 2));
        for kernel in kernels(n) {
            for (estimator, skip) in [(Estimator::Biased, false), (Estimator::Unbiased, true)] {
                let want = naive_mean(&q, &q, &kernel, skip) + naive_mean(&p, &p, &kernel, skip)
                    - 2.0 * naive_mean(&q, &p, &kernel, false);
                let got = mmd2(&q, &p, &kernel, estimator).unwrap();
                assert_close(got, want, &format!("{n} bits {estimator:?}"));
            }
        }
    }
}

#[test]
fn many_samples_cross_every_block() {
    let n = 9;
    let (q, p) = (draw(&prior(n), 2500, 3), draw(&[0.5; 9], 1100, 4));
    let kernel = &kernels(n)[1];
    let want = naive_mean(&q, &q, kernel, false) + naive_mean(&p, &p, kernel, false)
        - 2.0 * naive_mean(&q, &p, kernel, false);
    assert_close(mmd2(&q, &p, kernel, Estimator::Biased).unwrap(), want, "blocks");
}

#[test]
fn matrix() {
    for n in [3, 64, 100] {
        let (a, b) = (draw(&prior(n), 40, 5), draw(&prior(n), 30, 6));
        for kernel in kernels(n) {
            let matrix = kernel.matrix(&a, &b).unwrap();
            for i in 0..a.len() {
                for j in 0..b.len() {
                    let want = naive_kernel(&kernel, a.row(i), b.row(j), n);
                    assert_close(matrix[i * b.len() + j], want, "matrix");
                }
            }
        }
    }
}

#[test]
fn the_prior_in_closed_form_is_the_sum_over_all_weights() {
    let n = 7;
    let p_plus = prior(n);
    let all = PackedBits::from_indices(0..1 << n, n);
    for kernel in kernels(n) {
        let embedding = mean_embedding(&all, &p_plus, &kernel).unwrap();
        for (z, got) in embedding.iter().enumerate() {
            let terms = (0..1usize << n)
                .map(|v| prior_mass(&p_plus, v) * naive_kernel(&kernel, all.row(z), all.row(v), n));
            assert_close(*got, terms.sum(), "embedding");
        }
        let want = (0..1 << n).map(|z| prior_mass(&p_plus, z) * embedding[z]).sum();
        assert_close(prior_self_similarity(&p_plus, &kernel), want, "p'Kp");
    }
}

#[test]
fn samples_against_the_prior() {
    let n = 8;
    let p_plus = prior(n);
    let q = draw(&[0.35; 8], 60, 7);
    let all = PackedBits::from_indices(0..1 << n, n);
    let mass: Vec<f64> = (0..1 << n).map(|z| prior_mass(&p_plus, z)).collect();
    for kernel in kernels(n) {
        let k = |a: &[u64], b: &[u64]| naive_kernel(&kernel, a, b, n);
        let (mut between, mut own) = (0.0, 0.0);
        for z in 0..1 << n {
            for i in 0..q.len() {
                between += mass[z] * k(q.row(i), all.row(z)) / q.len() as f64;
            }
            own += (0..1 << n).map(|v| mass[z] * mass[v] * k(all.row(z), all.row(v))).sum::<f64>();
        }
        for (estimator, skip) in [(Estimator::Biased, false), (Estimator::Unbiased, true)] {
            let want = naive_mean(&q, &q, &kernel, skip) - 2.0 * between + own;
            let got = mmd2_to_prior(&q, &p_plus, &kernel, estimator).unwrap();
            assert_close(got, want, &format!("{estimator:?}"));
        }
    }
}

#[test]
fn a_mean_of_products_is_not_a_product_of_means() {
    // Two bandwidths and more than one bit: with the mean kernel of each bit multiplied instead,
    // the two numbers would be equal.
    let (n, p_plus) = (6, prior(6));
    let pair = HammingKernel::new(&[0.8, 3.0]).unwrap();
    let mean_e = pair.table(1)[1];
    let wrong: f64 = p_plus
        .iter()
        .map(|p| p * p + (1.0 - p) * (1.0 - p) + 2.0 * mean_e * p * (1.0 - p))
        .product();
    let halves =
        [0.8, 3.0].map(|s| prior_self_similarity(&p_plus, &HammingKernel::new(&[s]).unwrap()));
    let right = prior_self_similarity(&p_plus, &pair);
    assert_close(right, 0.5 * (halves[0] + halves[1]), "mean of products");
    assert!((right - wrong).abs() > 0.01, "{right} {wrong} at {n} bits");
}

#[test]
fn exact_mmd_is_the_quadratic_form() {
    for n in [0, 1, 3, 6, 8] {
        let (q, p) = (random_distribution(n, 8), random_distribution(n, 9));
        let all = PackedBits::from_indices(0..1 << n, n.max(1));
        for kernel in kernels(n.max(1)) {
            let k = |a: usize, b: usize| naive_kernel(&kernel, all.row(a), all.row(b), n);
            let kd = |a: usize| (0..1 << n).map(|b| k(a, b) * (q[b] - p[b])).sum::<f64>();
            let want: f64 = (0..1 << n).map(|a| (q[a] - p[a]) * kd(a)).sum();
            assert_close(mmd2_exact(&q, &p, &kernel).unwrap(), want, &format!("{n} bits"));
            let mut v: Vec<f64> = q.iter().zip(&p).map(|(q, p)| q - p).collect();
            apply_kernel(&mut v, &kernel).unwrap();
            for (a, v) in v.iter().enumerate() {
                assert_close(*v, kd(a), &format!("K v at {n} bits"));
            }
        }
    }
}

/// `K v`, one bandwidth after the other and bit by bit.
fn naive_apply(v: &[f64], kernel: &HammingKernel) -> Vec<f64> {
    let mut mean = vec![0.0; v.len()];
    for s in kernel.bandwidths() {
        let e = (-2.0 / (s * s)).exp();
        let mut product = v.to_vec();
        for bit in 0..v.len().ilog2() {
            let old = product.clone();
            for (z, value) in product.iter_mut().enumerate() {
                *value = old[z] + e * old[z ^ 1 << bit];
            }
        }
        let n = kernel.bandwidths().len() as f64;
        mean.iter_mut().zip(product).for_each(|(mean, product)| *mean += product / n);
    }
    mean
}

#[test]
fn every_size_of_a_vector_takes_every_bit_once() {
    for n in 0..=17 {
        let (q, p) = (random_distribution(n, 18), random_distribution(n, 19));
        let difference: Vec<f64> = q.iter().zip(&p).map(|(q, p)| q - p).collect();
        for kernel in kernels(n.max(1)) {
            let pull = naive_apply(&difference, &kernel);
            let want: f64 = difference.iter().zip(&pull).map(|(d, k)| d * k).sum();
            let mut applied = difference.clone();
            apply_kernel(&mut applied, &kernel).unwrap();
            let mut witnessed = vec![9.0; q.len()];
            let value = witness(&q, &p, &kernel, &mut witnessed).unwrap();
            // Sums of terms whose moduli add up to at most 2.
            let bound = 2.0 * ROUNDING.min(1e-14);
            for (z, want) in pull.iter().enumerate() {
                assert!((applied[z] - want).abs() <= bound, "K v at {z} of {n} bits");
                assert!((witnessed[z] - want).abs() <= bound, "witness at {z} of {n} bits");
            }
            assert!((value - want).abs() <= bound, "{value} {want} at {n} bits");
            let exact = mmd2_exact(&q, &p, &kernel).unwrap();
            assert!((exact - want).abs() <= bound, "{exact} {want} at {n} bits");
        }
    }
}

#[test]
fn exact_mmd_agrees_with_the_closed_form_prior_where_pairs_cannot_be_listed() {
    // Above the sizes at which vectors are cut into blocks and spread over threads.
    for n in [13, 16, 17] {
        let (p_plus, q_plus) = (prior(n), vec![0.4; n]);
        let p: Vec<f64> = (0..1 << n).map(|z| prior_mass(&p_plus, z)).collect();
        let q: Vec<f64> = (0..1 << n).map(|z| prior_mass(&q_plus, z)).collect();
        for kernel in kernels(n) {
            let mut kp = p.clone();
            apply_kernel(&mut kp, &kernel).unwrap();
            let all = PackedBits::from_indices(0..1 << n, n);
            let embedding = mean_embedding(&all, &p_plus, &kernel).unwrap();
            for (got, want) in kp.iter().zip(embedding) {
                assert_close(*got, want, "K p");
            }
            let dot: f64 = q.iter().zip(&kp).map(|(q, k)| q * k).sum();
            let want = prior_self_similarity(&q_plus, &kernel) - 2.0 * dot
                + prior_self_similarity(&p_plus, &kernel);
            assert_close(mmd2_exact(&q, &p, &kernel).unwrap(), want, "MMD");
        }
    }
}

#[test]
fn equal_distributions_are_at_distance_zero() {
    let q = draw(&prior(20), 50, 10);
    let kernel = &kernels(20)[1];
    // Not nearly: the counts at every distance are equal, so nothing is left to round.
    assert_eq!(mmd2(&q, &q, kernel, Estimator::Biased), Ok(0.0));
    let p = random_distribution(5, 11);
    assert_eq!(mmd2_exact(&p, &p, kernel), Ok(0.0));
}

#[test]
fn the_unbiased_estimate_is_right_on_average_and_the_biased_one_is_not() {
    let (n, rows, repeats) = (5, 4, 4000);
    let (p_plus, q_plus) = (prior(n), vec![0.3; n]);
    let kernel = &kernels(n)[1];
    let p: Vec<f64> = (0..1 << n).map(|z| prior_mass(&p_plus, z)).collect();
    let q: Vec<f64> = (0..1 << n).map(|z| prior_mass(&q_plus, z)).collect();
    let want = mmd2_exact(&q, &p, kernel).unwrap();
    let estimate = |estimator| {
        let values: Vec<f64> = (0..repeats)
            .map(|seed| {
                mmd2_to_prior(&draw(&q_plus, rows, seed), &p_plus, kernel, estimator).unwrap()
            })
            .collect();
        let mean = values.iter().sum::<f64>() / repeats as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / repeats as f64;
        // Five standard errors of the mean.
        (mean, 5.0 * (variance / repeats as f64).sqrt())
    };
    let (mean, bound) = estimate(Estimator::Unbiased);
    assert!((mean - want).abs() < bound, "{mean} {want} {bound}");
    // The diagonal puts (1 - q'Kq) / N too much into the biased one.
    let (mean, bound) = estimate(Estimator::Biased);
    let excess = (1.0 - prior_self_similarity(&q_plus, kernel)) / rows as f64;
    assert!((mean - want - excess).abs() < bound && excess > 2.0 * bound, "{mean} {want} {excess}");
}

#[test]
fn the_median_distance_is_that_of_the_enumerated_distribution() {
    for p_plus in [prior(6), vec![0.5; 5], vec![0.9; 7], vec![0.5, 1.0, 0.2]] {
        let n = p_plus.len();
        let mut mass = vec![0.0; n + 1];
        for a in 0..1usize << n {
            for b in 0..1usize << n {
                mass[(a ^ b).count_ones() as usize] +=
                    prior_mass(&p_plus, a) * prior_mass(&p_plus, b);
            }
        }
        let median = (0..=n).find(|&d| mass[..=d].iter().sum::<f64>() >= 0.5 - 1e-9).unwrap();
        assert_eq!(median_hamming_distance(&p_plus), median);
        let s = HammingKernel::median_heuristic(&p_plus).unwrap().bandwidths()[0];
        assert_close(s * s, 4.0 * median.max(1) as f64, "s^2");
    }
}

#[test]
fn every_pool_gives_the_same_bits() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    let n = 17;
    let (a, b) = (draw(&prior(n), 1700, 12), draw(&[0.5; 17], 1200, 13));
    let outcomes: Vec<u32> = (0..a.len()).map(|i| a.row(i)[0] as u32).collect();
    let (q, p) = (random_distribution(n, 14), random_distribution(n, 15));
    for kernel in kernels(n) {
        let run = || -> Result<_> {
            let mut v = q.clone();
            apply_kernel(&mut v, &kernel)?;
            let mut pull = vec![0.0; q.len()];
            Ok((
                mmd2(&a, &b, &kernel, Estimator::Unbiased)?,
                mmd2_to_prior(&a, &prior(n), &kernel, Estimator::Biased)?,
                Attraction::new(&kernel, n).sums(&outcomes),
                kernel.matrix(&a, &b)?,
                mmd2_exact(&q, &p, &kernel)?,
                v,
                witness(&q, &p, &kernel, &mut pull)?,
                pull,
            ))
        };
        let one = pool(1).install(run).unwrap();
        for n_threads in 2..=4 {
            assert_eq!(one, pool(n_threads).install(run).unwrap());
        }
    }
}

#[test]
fn bad_input_is_refused_by_name() {
    fn refused<T: std::fmt::Debug>(result: Result<T>, name: &str) {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(&format!("{name}: expected")), "{message}");
    }
    use Estimator::{Biased, Unbiased};
    let kernel = &kernels(4)[0];
    let rows = |n_rows: u64, n| PackedBits::from_indices(0..n_rows, n);
    refused(mmd2(&rows(1, 4), &rows(3, 4), kernel, Unbiased), "bits_q");
    refused(mmd2(&rows(3, 4), &rows(1, 4), kernel, Unbiased), "bits_p");
    refused(mmd2(&rows(0, 4), &rows(3, 4), kernel, Biased), "bits_q");
    refused(mmd2(&rows(3, 4), &rows(3, 5), kernel, Biased), "bits_p");
    refused(mmd2_to_prior(&rows(1, 4), &[0.5; 4], kernel, Unbiased), "bits_q");
    refused(mmd2_to_prior(&rows(3, 4), &[0.5; 3], kernel, Unbiased), "p_plus");
    refused(mean_embedding(&rows(3, 2), &[0.5, f64::NAN], kernel), "p_plus");
    refused(mean_embedding(&rows(3, 2), &[0.5, 1.1], kernel), "p_plus");
    refused(kernel.matrix(&rows(3, 4), &rows(3, 5)), "bits_b");
    refused(mmd2_exact(&[], &[], kernel), "q");
    refused(mmd2_exact(&[0.5, 0.25, 0.25], &[1.0, 0.0, 0.0], kernel), "q");
    refused(mmd2_exact(&[0.5, 0.5], &[1.0], kernel), "p");
    for bad in [[0.5, 0.6], [1.5, -0.5], [f64::NAN, 1.0]] {
        refused(mmd2_exact(&bad, &[0.5, 0.5], kernel), "q");
        refused(mmd2_exact(&[0.5, 0.5], &bad, kernel), "p");
    }
    refused(apply_kernel(&mut [0.0; 3], kernel), "v");
    refused(witness(&[0.5; 2], &[1.0], kernel, &mut [0.0; 2]), "p");
    refused(witness(&[0.5; 2], &[0.5; 2], kernel, &mut [0.0; 1]), "out");
    // Faults behind the first block of a vector that is long enough to be cut into blocks.
    let right = vec![0.5f64.powi(14); 1 << 14];
    for (wrong, more) in [(-1.0, 1.0 + 0.5f64.powi(13)), (f64::NAN, 0.0), (0.5, 0.0)] {
        let mut bad = right.clone();
        (bad[9000], bad[9001]) = (wrong, more);
        refused(mmd2_exact(&bad, &right, kernel), "q");
        refused(mmd2_exact(&right, &bad, kernel), "p");
    }
}
