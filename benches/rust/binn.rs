//! Log-likelihood tables in networks x points per second.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use qhypernet_core::binn::{Activation, Likelihood, Network};

fn table(c: &mut Criterion) {
    let mut group = c.benchmark_group("log-likelihood table [networks x points]");
    // Fewer points where there are many networks.
    let cases: [(&str, &[usize], Activation, usize); 3] = [
        ("2-3-1 tanh", &[2, 3, 1], Activation::Tanh, 252),
        ("16-1, 17 weights", &[16, 1], Activation::Identity, 252),
        ("2-5-1 sign", &[2, 5, 1], Activation::Sign, 63),
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

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = table
}
criterion_main!(benches);
