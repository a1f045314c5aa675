//! Log-likelihood tables, and log-likelihoods of given networks, in networks x points per second.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use qhypernet_core::binn::{Activation, Likelihood, Network};
use qhypernet_core::bits::PackedBits;
use qhypernet_core::rng::{Purpose, generator, uniform};

fn table(c: &mut Criterion) {
    let mut group = c.benchmark_group("log-likelihood table [networks x points]");
    let cases: [(&str, &[usize], Activation, usize); 4] = [
        ("2-3-1 tanh", &[2, 3, 1], Activation::Tanh, 252),
        ("16-1, 17 weights", &[16, 1], Activation::Identity, 252),
        ("2-5-1 sign", &[2, 5, 1], Activation::Sign, 1000),
        ("2-5-1 tanh", &[2, 5, 1], Activation::Tanh, 1000),
    ];
    for (name, layers, activation, n_points) in cases {
        let network = Network::new(layers, activation, true, 1.0, Likelihood::Bernoulli)
            .expect("a valid network");
        let x: Vec<_> = (0..n_points * layers[0]).map(|i| (i as f64 * 0.73).sin()).collect();
        let y: Vec<_> = (0..n_points).map(|i| f64::from(i * 5 % 7 > 3)).collect();
        group.throughput(Throughput::Elements((n_points as u64) << network.n_weights()));
        group.bench_function(name, |b| {
            b.iter(|| network.log_likelihood_table(&x, &y).expect("valid data"));
        });
    }
}

fn sampled(c: &mut Criterion) {
    let mut group = c.benchmark_group("log-likelihoods of given networks [networks x points]");
    let cases: [(&str, &[usize], Activation, usize); 4] = [
        ("2-8-8-1 sign", &[2, 8, 8, 1], Activation::Sign, 10_000),
        ("2-8-8-1 tanh", &[2, 8, 8, 1], Activation::Tanh, 1_000),
        ("64-64-1 sign", &[64, 64, 1], Activation::Sign, 200),
        ("64-64-1 relu", &[64, 64, 1], Activation::Relu, 200),
    ];
    for (name, layers, activation, n_networks) in cases {
        let network = Network::new(layers, activation, true, 1.0, Likelihood::Bernoulli)
            .expect("a valid network");
        let x: Vec<_> = (0..1000 * layers[0]).map(|i| (i as f64 * 0.73).sin()).collect();
        let y: Vec<_> = (0..1000).map(|i| f64::from(i * 5 % 7 > 3)).collect();
        let rng = &mut generator(0, Purpose::Sample, 0, 0);
        let n = network.n_weights();
        let bytes: Vec<u8> = (0..n_networks * n).map(|_| u8::from(uniform(rng) < 0.5)).collect();
        let bits = PackedBits::from_bytes("bits", &bytes, n).expect("valid bits");
        group.throughput(Throughput::Elements(1000 * n_networks as u64));
        group.bench_function(name, |b| {
            b.iter(|| network.log_likelihood(&bits, &x, &y).expect("valid data"));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = table, sampled
}
criterion_main!(benches);
