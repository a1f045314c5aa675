//! Binary networks against a slow, obvious implementation on random weights and points.

use qhypernet_core::Result;
use qhypernet_core::binn::{Activation, Likelihood, Network, Networks, Predictive};
use qhypernet_core::bits::PackedBits;
use qhypernet_core::rng::{Purpose, generator, uniform};
use rand_chacha::ChaCha8Rng;

/// Sums of up to a thousand numbers of size one to a hundred, in two orders of addition.
const ROUNDING: f64 = 1e-10;

/// One network at one point, read off the definition.
fn naive_logits(network: &Network, bits: &[u8], x: &[f64]) -> Vec<f64> {
    let weight = |i: usize| 1.0 - 2.0 * f64::from(bits[i]);
    let (mut values, mut offset) = (x.to_vec(), 0);
    let n_layers = network.layers().len();
    for (l, &n_units) in network.layers().iter().enumerate().skip(1) {
        let n_inputs = values.len();
        let mut next = vec![0.0; n_units];
        for (j, next) in next.iter_mut().enumerate() {
            for (i, value) in values.iter().enumerate() {
                *next += weight(offset + i * n_units + j) * value;
            }
            if network.bias() {
                *next += weight(offset + n_inputs * n_units + j);
            }
            if l + 1 < n_layers {
                *next = match network.activations()[l - 1] {
                    Activation::Sign if *next >= 0.0 => 1.0,
                    Activation::Sign => -1.0,
                    Activation::Tanh => next.tanh(),
                    Activation::Relu => next.max(0.0),
                    Activation::Sigmoid => 1.0 / (1.0 + (-*next).exp()),
                    Activation::Identity => *next,
                };
            }
        }
        offset += (n_inputs + usize::from(network.bias())) * n_units;
        values = next;
    }
    assert_eq!(offset, network.n_weights());
    values.iter().map(|v| v * network.logit_scale()).collect()
}

/// Probabilities of the classes, each from its own definition.
fn naive_classes(likelihood: Likelihood, logits: &[f64]) -> Vec<f64> {
    match likelihood {
        Likelihood::Bernoulli => {
            vec![1.0 / (1.0 + logits[0].exp()), 1.0 / (1.0 + (-logits[0]).exp())]
        }
        Likelihood::Categorical => {
            let total: f64 = logits.iter().map(|l| l.exp()).sum();
            logits.iter().map(|l| l.exp() / total).collect()
        }
        Likelihood::Gaussian { .. } => unreachable!("a Gaussian has no classes"),
    }
}

fn naive_log_likelihood(network: &Network, bits: &[u8], x: &[f64], y: &[f64]) -> f64 {
    let per_point = y.len() / (x.len() / network.n_inputs());
    let points = x.chunks(network.n_inputs()).zip(y.chunks(per_point));
    let of_point = |(x, y): (&[f64], &[f64])| -> f64 {
        let logits = naive_logits(network, bits, x);
        match network.likelihood() {
            Likelihood::Gaussian { noise } => {
                let density = |(y, mean): (&f64, &f64)| {
                    let z = (y - mean) / noise;
                    -0.5 * z * z - (noise * (2.0 * std::f64::consts::PI).sqrt()).ln()
                };
                y.iter().zip(&logits).map(density).sum()
            }
            likelihood => naive_classes(likelihood, &logits)[y[0] as usize].ln(),
        }
    };
    points.map(of_point).sum()
}

/// A network with data and rows of weights, some of them repeated.
struct Case {
    network: Network,
    x: Vec<f64>,
    y: Vec<f64>,
    bytes: Vec<u8>,
    bits: PackedBits,
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| uniform(rng)).sum::<f64>() - 6.0
}

fn case(network: Network, n_points: usize, n_rows: usize, seed: u64) -> Case {
    let rng = &mut generator(seed, Purpose::Sample, 0, 0);
    let x: Vec<f64> = (0..n_points * network.n_inputs()).map(|_| normal(rng)).collect();
    let n_outputs = network.n_outputs();
    let y: Vec<f64> = match network.likelihood() {
        Likelihood::Bernoulli => (0..n_points).map(|_| (2.0 * uniform(rng)).floor()).collect(),
        Likelihood::Categorical => {
            (0..n_points).map(|_| (n_outputs as f64 * uniform(rng)).floor()).collect()
        }
        Likelihood::Gaussian { .. } => (0..n_points * n_outputs).map(|_| normal(rng)).collect(),
    };
    let n = network.n_weights();
    let mut bytes: Vec<u8> = (0..n_rows * n).map(|_| u8::from(uniform(rng) < 0.4)).collect();
    // Every third row repeats the first.
    for i in (3..n_rows).step_by(3) {
        bytes.copy_within(0..n, i * n);
    }
    let bits = PackedBits::from_bytes("bits", &bytes, n).unwrap();
    Case { network, x, y, bytes, bits }
}

/// All activations, likelihoods, with and without bias, for shapes on every path: no hidden layer,
/// one and several groups of first-layer inputs, one and more hidden layers, over 64 weights.
fn cases() -> Vec<Case> {
    let inner: [&[usize]; 7] =
        [&[2], &[16], &[2, 3], &[9, 2], &[3, 2, 2], &[20, 4, 3], &[40, 5, 1, 4]];
    let mut out = Vec::new();
    for (s, shape) in inner.into_iter().enumerate() {
        for activation in Activation::ALL {
            for bias in [false, true] {
                for likelihood in [
                    Likelihood::Bernoulli,
                    Likelihood::Categorical,
                    Likelihood::Gaussian { noise: 0.7 },
                ] {
                    let n_outputs = match likelihood {
                        Likelihood::Bernoulli => 1,
                        Likelihood::Categorical => 3,
                        Likelihood::Gaussian { .. } => 2,
                    };
                    let layers = [shape, &[n_outputs]].concat();
                    let scale = if s % 2 == 0 { 1.0 } else { 0.37 };
                    let network =
                        Network::new(&layers, activation, bias, scale, likelihood).unwrap();
                    out.push(case(network, 5 + 13 * s, 20, out.len() as u64));
                }
            }
        }
    }
    // Many factors of the likelihood, with and without a table of them, and logits that are too
    // large to be multiplied as exponentials.
    for (shape, scale) in [(&[3, 6, 1][..], 1.0), (&[60, 1], 0.5), (&[2, 3, 1], 200.0)] {
        for activation in Activation::ALL {
            for n_rows in [20, 400] {
                let network =
                    Network::new(shape, activation, true, scale, Likelihood::Bernoulli).unwrap();
                out.push(case(network, 70, n_rows, out.len() as u64));
            }
        }
    }
    // Layers of different activations: every one before and behind another.
    for (i, activation) in Activation::ALL.into_iter().enumerate() {
        let others = [activation, Activation::ALL[(i + 1) % 5], Activation::ALL[(i + 2) % 5]];
        for shape in [&[2, 2, 1, 1][..], &[9, 2, 3, 2, 1]] {
            let network = Network::new(shape, activation, true, 0.8, Likelihood::Bernoulli)
                .and_then(|network| network.with_activations(&others[..shape.len() - 2]))
                .unwrap();
            out.push(case(network, 20, 20, out.len() as u64));
        }
    }
    // More points than a tile holds.
    let network =
        Network::new(&[2, 3, 1], Activation::Tanh, true, 2.0, Likelihood::Bernoulli).unwrap();
    out.push(case(network, 1100, 7, 99));
    out
}

fn assert_close(got: f64, want: f64, what: &str) {
    assert!((got - want).abs() <= ROUNDING * (1.0 + want.abs()), "{what}: {got}, expected {want}");
}

#[test]
fn logits_are_those_of_the_definition() {
    for case in cases() {
        let Case { network, x, bytes, bits, .. } = &case;
        let got = network.logits(bits, x).unwrap();
        let want = bytes.chunks(network.n_weights()).flat_map(|row| {
            x.chunks(network.n_inputs()).flat_map(move |x| naive_logits(network, row, x))
        });
        let want: Vec<f64> = want.collect();
        assert_eq!(got.len(), want.len());
        for (got, want) in got.iter().zip(want) {
            assert_close(*got, want, &format!("{network:?}"));
        }
    }
}

#[test]
fn log_likelihoods_are_those_of_the_definition() {
    for case in cases() {
        let Case { network, x, y, bytes, bits } = &case;
        let got = network.log_likelihood(bits, x, y).unwrap();
        assert_eq!(got.len(), bits.len());
        for (row, got) in bytes.chunks(network.n_weights()).zip(got) {
            assert_close(got, naive_log_likelihood(network, row, x, y), &format!("{network:?}"));
        }
    }
}

#[test]
fn the_table_is_the_log_likelihood_of_every_index() {
    let mut n_tables = 0;
    // Small ones of every kind, and one in which a unit has more than one group of inputs.
    let small = |network: &Network| match network.n_weights() {
        0..=12 => true,
        17 => network.layers() == [16, 1],
        _ => false,
    };
    for case in cases().into_iter().filter(|case| small(&case.network)) {
        let Case { network, x, y, .. } = &case;
        let n = network.n_weights();
        let table = network.log_likelihood_table(x, y).unwrap();
        assert_eq!(table.len(), 1 << n);
        let all = PackedBits::from_indices(0..1 << n, n);
        // The same bits, whether partial sums were tabulated or not.
        assert_eq!(table, network.log_likelihood(&all, x, y).unwrap());
        for z in (0..1usize << n).step_by(1 + (1 << n) / 50) {
            let few = PackedBits::from_indices([z as u64], n);
            assert_eq!(table[z], network.log_likelihood(&few, x, y).unwrap()[0]);
            let row: Vec<u8> = (0..n).map(|i| (z >> i & 1) as u8).collect();
            assert_close(
                table[z],
                naive_log_likelihood(network, &row, x, y),
                &format!("{network:?}"),
            );
        }
        n_tables += 1;
    }
    assert!(n_tables > 40, "{n_tables}");
}

/// Points around the widths of words and tiles, and inputs from -2, -1, 0, 1, 2: sums are often 0.
fn grid_case(layers: &[usize], activation: Activation, bias: bool, n_points: usize) -> Case {
    let likelihood =
        if layers[layers.len() - 1] == 1 { Likelihood::Bernoulli } else { Likelihood::Categorical };
    let network = Network::new(layers, activation, bias, 0.7, likelihood).unwrap();
    let mut case = case(network, n_points, 60, n_points as u64);
    case.x.iter_mut().for_each(|x| *x = x.round().clamp(-2.0, 2.0));
    case
}

#[test]
fn sign_networks_are_those_of_the_definition_at_ties_too() {
    let shapes: [&[usize]; 10] = [
        &[1, 1, 1],
        &[1, 1200, 1],
        &[2, 8, 8, 1],
        &[3, 9, 7, 2],
        &[8, 3, 3],
        &[9, 5, 1],
        &[23, 5, 3, 1],
        &[70, 33, 2],
        &[110, 3, 1],
        &[170, 20, 1],
    ];
    for (s, layers) in shapes.into_iter().enumerate() {
        for (i, n_points) in [1, 7, 63, 64, 65, 127, 511, 512, 513].into_iter().enumerate() {
            let case = grid_case(layers, Activation::Sign, (s + i) % 2 == 0, n_points);
            let Case { network, x, y, bytes, bits } = &case;
            let (logits, totals) =
                (network.logits(bits, x).unwrap(), network.log_likelihood(bits, x, y).unwrap());
            let of_row = logits.chunks(n_points * network.n_outputs()).zip(totals);
            for (row, (logits, total)) in bytes.chunks(network.n_weights()).zip(of_row) {
                let want = x.chunks(network.n_inputs()).flat_map(|x| naive_logits(network, row, x));
                assert!(logits.iter().copied().eq(want), "{network:?}, {n_points} points");
                let want = naive_log_likelihood(network, row, x, y);
                assert_close(total, want, &format!("{network:?}, {n_points} points"));
            }
        }
    }
}

#[test]
fn sums_too_close_for_integers_keep_their_sign() {
    // The inputs cancel but for one part in a billion, or are too small to be scaled.
    let network =
        Network::new(&[40, 30, 1], Activation::Sign, false, 1.0, Likelihood::Bernoulli).unwrap();
    let Case { network, mut x, bytes, bits, .. } = case(network, 130, 60, 5);
    for (d, x) in x.chunks_mut(40).enumerate() {
        for i in 0..20 {
            let tiny = if d % 3 == 0 { 0.0 } else { 1e-9 * x[20 + i] };
            let size = [1e306, 1e-310, 1e6][d % 5 % 3];
            (x[i], x[20 + i]) = (size * x[i], -size * x[i] * (1.0 + tiny));
        }
    }
    let logits = network.logits(&bits, &x).unwrap();
    // Few rows are not worth tables: sums are then in double precision from the start.
    for (i, row) in bytes.chunks(network.n_weights()).enumerate() {
        let one = PackedBits::from_bytes("bits", row, network.n_weights()).unwrap();
        assert_eq!(logits[i * 130..(i + 1) * 130], network.logits(&one, &x).unwrap());
    }
}

#[test]
fn units_in_common_change_no_bit() {
    let shapes: [(&[usize], _, _); 3] = [
        (&[2, 4, 3, 1], Activation::Tanh, true),
        (&[1, 5, 2, 2, 1], Activation::Relu, true),
        (&[2, 4, 3, 2], Activation::Sigmoid, false),
    ];
    for (layers, activation, bias) in shapes {
        let likelihood =
            if layers.ends_with(&[1]) { Likelihood::Bernoulli } else { Likelihood::Categorical };
        let network = Network::new(layers, activation, bias, 0.9, likelihood).unwrap();
        let Case { network, x, y, bytes, bits } = case(network, 300, 600, 8);
        let totals = network.log_likelihood(&bits, &x, &y).unwrap();
        for (row, total) in bytes.chunks(network.n_weights()).zip(totals).step_by(17) {
            assert_close(total, naive_log_likelihood(&network, row, &x, &y), "all rows");
            // One network has few units in common with itself.
            let one = PackedBits::from_bytes("bits", row, network.n_weights()).unwrap();
            assert_eq!(network.log_likelihood(&one, &x, &y).unwrap(), [total], "{network:?}");
        }
    }
}

#[test]
fn tables_of_equal_networks_are_those_of_the_definition() {
    // Permutations and flips of units, with several outputs and layers behind them, and ties, at which
    // a unit is not the opposite of the one with opposite weights.
    let shapes: [&[usize]; 8] = [
        &[9, 1, 1],
        &[2, 3, 1],
        &[1, 4, 1],
        &[3, 1, 1],
        &[1, 2, 2],
        &[1, 2, 2, 1],
        &[2, 2, 1, 1],
        &[5, 1, 2],
    ];
    for (s, layers) in shapes.into_iter().enumerate() {
        for activation in Activation::ALL {
            for bias in [false, true] {
                let case = grid_case(layers, activation, bias, 3 + 5 * s);
                let Case { network, x, y, .. } = &case;
                let n = network.n_weights();
                let table = network.log_likelihood_table(x, y).unwrap();
                let all = PackedBits::from_indices(0..1 << n, n);
                assert_eq!(table, network.log_likelihood(&all, x, y).unwrap(), "{network:?}");
                for (z, got) in table.iter().enumerate() {
                    let row: Vec<u8> = (0..n).map(|i| (z >> i & 1) as u8).collect();
                    let want = naive_log_likelihood(network, &row, x, y);
                    assert_close(*got, want, &format!("{z} of {network:?}"));
                }
                let q = distributions(2, 1 << n, s as u64);
                let got = network.predictive(Networks::All, &q, 2, x).unwrap();
                let want = network.predictive(Networks::Some(&all), &q, 2, x).unwrap();
                for (got, want) in [(&got.mean, &want.mean), (&got.aleatoric, &want.aleatoric)] {
                    got.iter().zip(want).for_each(|(g, w)| assert_close(*g, *w, "prediction"));
                }
            }
        }
    }
}

#[test]
fn a_hidden_sum_of_zero_has_sign_plus_one() {
    // Both weights and inputs cancel exactly; the single hidden unit then passes on its +1.
    let network =
        Network::new(&[2, 1, 1], Activation::Sign, false, 1.0, Likelihood::Bernoulli).unwrap();
    let bits = PackedBits::from_indices([0b000, 0b011, 0b001, 0b100], 3);
    let logits = network.logits(&bits, &[0.5, -0.5, 0.0, 0.0]).unwrap();
    assert_eq!(logits, [1.0, 1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0]);
}

#[test]
fn certain_networks_keep_finite_log_likelihoods() {
    let network =
        Network::new(&[1, 1], Activation::Sign, false, 1000.0, Likelihood::Bernoulli).unwrap();
    let table = network.log_likelihood_table(&[2.0], &[1.0]).unwrap();
    assert_eq!(table, [0.0, -2000.0]);
}

/// The class that a network votes for; NaN if rounding casts the vote: sums of different weights
/// can be equal on paper, as in sigmoid(a) + sigmoid(-a) = 1 = sigmoid(b) + sigmoid(-b).
fn naive_votes(network: &Network, bits: &[u8], logits: &[f64]) -> Vec<f64> {
    let n_classes = logits.len();
    let exact = network.activations().last() == Some(&Activation::Sign);
    if n_classes == 1 {
        let vote = if !exact && logits[0].abs() < ROUNDING {
            f64::NAN
        } else {
            f64::from(logits[0] > 0.0)
        };
        return vec![1.0 - vote, vote];
    }
    let largest = logits.iter().copied().fold(f64::MIN, f64::max);
    let best = logits.iter().position(|l| *l == largest).unwrap();
    let n_hidden = network.layers()[network.layers().len() - 2];
    let last = &bits[bits.len() - (n_hidden + usize::from(network.bias())) * n_classes..];
    let column = |k: usize| last.iter().skip(k).step_by(n_classes);
    let by_rounding = (0..n_classes)
        .any(|k| !exact && largest - logits[k] < ROUNDING && column(k).ne(column(best)));
    let vote = |k| if by_rounding { f64::NAN } else { f64::from(k == best) };
    (0..n_classes).map(vote).collect()
}

/// Averages over networks, one definition at a time.
fn naive_predictive(case: &Case, probabilities: &[f64], n_distributions: usize) -> Predictive {
    let Case { network, x, bytes, bits, .. } = case;
    let mut out = Predictive { mean: vec![], votes: vec![], aleatoric: vec![] };
    for m in 0..n_distributions {
        let q = &probabilities[m * bits.len()..(m + 1) * bits.len()];
        for x in x.chunks(network.n_inputs()) {
            let (mut mean, mut votes, mut aleatoric) = (vec![], vec![], 0.0);
            for (row, q) in bytes.chunks(network.n_weights()).zip(q) {
                let logits = naive_logits(network, row, x);
                let (one_mean, one_votes) = match network.likelihood() {
                    Likelihood::Gaussian { noise } => {
                        aleatoric += q * noise * noise;
                        (logits.clone(), logits.iter().map(|l| l * l).collect())
                    }
                    likelihood => {
                        let p = naive_classes(likelihood, &logits);
                        aleatoric -= q * p.iter().map(|p| p * p.ln()).sum::<f64>();
                        let votes = naive_votes(network, row, &logits);
                        (p, votes)
                    }
                };
                mean.resize(one_mean.len(), 0.0);
                votes.resize(one_votes.len(), 0.0);
                mean.iter_mut().zip(one_mean).for_each(|(sum, v)| *sum += q * v);
                votes.iter_mut().zip(one_votes).for_each(|(sum, v)| *sum += q * v);
            }
            out.mean.extend(mean);
            out.votes.extend(votes);
            out.aleatoric.push(aleatoric);
        }
    }
    out
}

fn distributions(n_distributions: usize, n_networks: usize, seed: u64) -> Vec<f64> {
    let rng = &mut generator(seed, Purpose::Prior, 0, 0);
    let mut out = Vec::new();
    for _ in 0..n_distributions {
        // A third of the networks has no probability.
        let draw: Vec<f64> = (0..n_networks).map(|_| (uniform(rng) - 0.33).max(0.0)).collect();
        let total: f64 = draw.iter().sum();
        out.extend(draw.iter().map(|p| p / total));
    }
    out
}

#[test]
fn predictions_are_averages_over_networks() {
    let (mut n_values, mut n_compared) = (0, 0);
    for (seed, case) in cases().into_iter().enumerate() {
        let Case { network, x, bits, .. } = &case;
        let q = distributions(3, bits.len(), seed as u64);
        let got = network.predictive(Networks::Some(bits), &q, 3, x).unwrap();
        let want = naive_predictive(&case, &q, 3);
        for (got, want, what) in [
            (&got.mean, &want.mean, "mean"),
            (&got.votes, &want.votes, "votes"),
            (&got.aleatoric, &want.aleatoric, "aleatoric"),
        ] {
            assert_eq!(got.len(), want.len(), "{what} {network:?}");
            n_values += want.len();
            for (got, want) in got.iter().zip(want).filter(|(_, want)| !want.is_nan()) {
                assert_close(*got, *want, &format!("{what} {network:?}"));
                n_compared += 1;
            }
        }
    }
    // Nearly all: few votes hang on rounding.
    assert!(n_compared > n_values / 10 * 9, "{n_compared} of {n_values}");
}

#[test]
fn predictions_over_all_networks_are_in_index_order() {
    let network =
        Network::new(&[2, 2, 3], Activation::Relu, true, 1.0, Likelihood::Categorical).unwrap();
    let Case { network, x, .. } = case(network, 70, 1, 3);
    let n = network.n_weights();
    let q = distributions(2, 1 << n, 4);
    let all = PackedBits::from_indices(0..1 << n, n);
    let by_rows = network.predictive(Networks::Some(&all), &q, 2, &x).unwrap();
    // Networks that are the same function are averaged as one, which changes the rounding.
    let got = network.predictive(Networks::All, &q, 2, &x).unwrap();
    for (got, want) in [
        (&got.mean, &by_rows.mean),
        (&got.votes, &by_rows.votes),
        (&got.aleatoric, &by_rows.aleatoric),
    ] {
        got.iter().zip(want).for_each(|(got, want)| assert_close(*got, *want, "all networks"));
    }
    let total: f64 = by_rows.votes[..3].iter().sum();
    assert_close(total, 1.0, "votes of a point");
}

#[test]
fn a_bernoulli_logit_of_zero_votes_for_the_lowest_of_equals() {
    let network =
        Network::new(&[2, 1], Activation::Sign, false, 1.0, Likelihood::Bernoulli).unwrap();
    let bits = PackedBits::from_indices([0, 1, 2, 3], 2);
    let got = network.predictive(Networks::Some(&bits), &[0.25; 4], 1, &[1.0, 1.0]).unwrap();
    assert_eq!(got.votes, [0.75, 0.25]);
}

#[test]
fn every_pool_gives_the_same_bits() {
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    for (layers, activation) in [
        (&[3, 2, 2][..], Activation::Tanh),
        (&[3, 2, 2], Activation::Sign),
        (&[2, 2, 2], Activation::Relu),
        (&[30, 6, 2], Activation::Sign),
        (&[30, 6, 2], Activation::Sigmoid),
    ] {
        let network = Network::new(layers, activation, true, 1.0, Likelihood::Categorical).unwrap();
        let case = case(network, 600, 500, 8);
        let Case { network, x, y, bits, .. } = &case;
        let small = network.n_weights() < 30;
        let q = distributions(2, if small { 1 << network.n_weights() } else { bits.len() }, 5);
        let networks = if small { Networks::All } else { Networks::Some(bits) };
        let x_few = &x[..90 * network.n_inputs()];
        let run = || -> Result<_> {
            Ok((
                network.logits(bits, x)?,
                network.log_likelihood(bits, x, y)?,
                if small { network.log_likelihood_table(x_few, &y[..90])? } else { Vec::new() },
                network.predictive(networks, &q, 2, x_few)?,
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
    let network =
        Network::new(&[2, 3], Activation::Sign, true, 1.0, Likelihood::Categorical).unwrap();
    let (bits, x, y) = (PackedBits::from_indices([5, 6], 9), [0.1, 0.2, 0.3, 0.4], [0.0, 2.0]);
    assert!(network.log_likelihood(&bits, &x, &y).is_ok());
    refused(network.logits(&PackedBits::from_indices([1], 8), &x), "bits");
    refused(network.log_likelihood(&PackedBits::from_indices([1], 10), &x, &y), "bits");
    for bad in [&[][..], &[1.0], &[1.0, f64::NAN], &[f64::INFINITY, 1.0]] {
        refused(network.logits(&bits, bad), "X");
        refused(network.log_likelihood_table(bad, &y), "X");
        refused(network.predictive(Networks::All, &[1.0], 1, bad), "X");
    }
    refused(network.log_likelihood_table(&[1e308, 1e308], &[0.0]), "X");
    for bad in [&[0.0][..], &[0.0, 3.0], &[0.5, 1.0], &[-1.0, 0.0], &[f64::NAN, 0.0]] {
        refused(network.log_likelihood(&bits, &x, bad), "y");
    }
    for bad in [&[1.0][..], &[0.5, 0.4], &[1.5, -0.5], &[f64::NAN, 1.0], &[0.5, 0.5, 0.0, 0.0]] {
        refused(network.predictive(Networks::Some(&bits), bad, 1, &x), "probabilities");
    }
    refused(network.predictive(Networks::Some(&bits), &[], 0, &x), "probabilities");
    let none = PackedBits::from_bytes("bits", &[], 9).unwrap();
    refused(network.predictive(Networks::Some(&none), &[], 1, &x), "probabilities");
    assert!(network.log_likelihood(&none, &x, &y).unwrap().is_empty());
    assert!(network.logits(&none, &x).unwrap().is_empty());

    let gaussian = Likelihood::Gaussian { noise: 1.0 };
    let network = Network::new(&[2, 30, 2], Activation::Sign, true, 1.0, gaussian).unwrap();
    refused(network.log_likelihood_table(&x, &y), "y");
    refused(network.log_likelihood_table(&x, &[0.0, 1.0, f64::NAN, 0.0]), "y");
    refused(network.log_likelihood_table(&x, &[0.0; 4]), "layers");
    refused(network.predictive(Networks::All, &[1.0], 1, &x), "layers");
}
