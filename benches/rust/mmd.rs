//! Squared MMD: from samples in pairs per second, from probability vectors in entries per second.

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qhypernet_core::bits::PackedBits;
use qhypernet_core::mmd::{Estimator, HammingKernel, mmd2, mmd2_exact, witness};
use qhypernet_core::rng::{Purpose, generator, uniform};

const N_SAMPLES: usize = 20_000;
const N_BITS: usize = 64;
const N_EXACT_BITS: usize = 20;

fn draw(seed: u64, p_plus: f64) -> PackedBits {
    let rng = &mut generator(seed, Purpose::Prior, 0, 0);
    let bits: Vec<u8> = (0..N_SAMPLES * N_BITS).map(|_| (uniform(rng) >= p_plus).into()).collect();
    PackedBits::from_bytes("bits", &bits, N_BITS).expect("rows of bits")
}

fn samples(c: &mut Criterion) {
    let (q, p) = (draw(1, 0.4), draw(2, 0.6));
    let kernel = HammingKernel::new(&[(N_BITS as f64 / 2.0).sqrt()]).expect("a bandwidth");
    let mut group = c.benchmark_group("sample MMD2 [pairs]");
    // Pairs within either sample count as those between them do.
    group.throughput(Throughput::Elements(3 * (N_SAMPLES * N_SAMPLES) as u64));
    group.bench_function("20000 x 20000 x 64 bits", |b| {
        b.iter(|| mmd2(&q, &p, &kernel, Estimator::Unbiased).expect("valid samples"));
    });
}

fn exact(c: &mut Criterion) {
    let distribution = |seed| {
        let rng = &mut generator(seed, Purpose::Start, 0, 0);
        let mut values: Vec<f64> = (0..1 << N_EXACT_BITS).map(|_| uniform(rng)).collect();
        let total: f64 = values.iter().sum();
        values.iter_mut().for_each(|value| *value /= total);
        values
    };
    let (q, p) = (distribution(1), distribution(2));
    let kernel = HammingKernel::new(&[(N_EXACT_BITS as f64 / 2.0).sqrt()]).expect("a bandwidth");
    let mut group = c.benchmark_group("exact MMD2 [entries]");
    group.throughput(Throughput::Elements(1 << N_EXACT_BITS));
    group.bench_function(BenchmarkId::from_parameter(N_EXACT_BITS), |b| {
        b.iter(|| mmd2_exact(&q, &p, &kernel).expect("valid distributions"));
    });
}

/// What a training step needs of each initialisation.
fn witness_function(c: &mut Criterion) {
    let mut group = c.benchmark_group("MMD witness [entries]");
    for n in [9, 13, 15] {
        let (q, p) = (vec![0.5f64.powi(n); 1 << n], vec![0.25; 1 << n]);
        let mut out = vec![0.0; 1 << n];
        group.throughput(Throughput::Elements(1 << n));
        let s = f64::from(n).sqrt();
        for bandwidths in [&[s][..], &[0.5 * s, s, 2.0 * s]] {
            let kernel = HammingKernel::new(bandwidths).expect("bandwidths");
            let name = format!("{n} bits, bandwidths: {}", bandwidths.len());
            group.bench_function(name, |b| {
                b.iter(|| witness(&q, &p, &kernel, &mut out).expect("vectors of one length"));
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = samples, exact, witness_function
}
criterion_main!(benches);
