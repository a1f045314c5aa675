//! Value and gradient of the ELBO for a batch of initialisations, as a training step has it, in
//! amplitudes per second: initialisations x 2^n.

mod common;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qhypernet_core::objective::{Divergence, Objective, Problem, Source, evaluate};

use common::{angles, chain};

const N_INITS: usize = 100;

fn elbo(c: &mut Criterion) {
    let mut group = c.benchmark_group("ELBO gradient, 100 initialisations [amplitudes]");
    for (n, n_layers) in [(9, 1), (9, 4), (13, 1), (13, 4)] {
        let program = chain(n, n_layers);
        let params = angles(N_INITS * program.plan().n_params());
        // Log-likelihoods of the size that a few hundred points give.
        let table: Vec<_> = (0..1 << n).map(|z| -0.1 * (z * 7919 % 1009) as f64).collect();
        let problem = Problem::new(&table, &vec![0.5; n]).expect("a valid table and prior");
        let objective = Objective { divergence: Divergence::Kl, weight: 1.0 };
        group.throughput(Throughput::Elements((N_INITS as u64) << n));
        group.bench_function(BenchmarkId::new(format!("{n_layers} layers"), n), |b| {
            b.iter(|| {
                evaluate(&program, &problem, &objective, Source::Exact, &params, 0)
                    .expect("valid arguments")
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = elbo
}
criterion_main!(benches);
