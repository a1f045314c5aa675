//! A state forward, and the gradient of all parameters, in amplitudes per second: four layers of
//! RY and RZ on every qubit and a chain of CX.

mod common;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use qhypernet_core::parallel::Threads;
use qhypernet_core::state::{Program, Real, Start, Workspace};

use common::{angles, chain};

const N_LAYERS: usize = 4;
/// A state in the first-level cache, one just beyond it, one in the second level, one beyond that.
const N_QUBITS: [usize; 4] = [10, 13, 16, 20];

/// The threads that a single state is given where it is not part of a batch.
fn threads(program: &Program) -> Threads {
    if program.is_small() { Threads::One } else { Threads::Pool }
}

fn forward<T: Real>(c: &mut Criterion, precision: &str) {
    let mut group = c.benchmark_group(format!("forward {precision} [amplitudes]"));
    for n in N_QUBITS {
        let program = chain(n, N_LAYERS);
        let (params, threads) = (angles(program.plan().n_params()), threads(&program));
        let mut room = Workspace::<T>::new(&program);
        group.throughput(Throughput::Elements(1 << n));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            // With the last phases, as for a statevector.
            b.iter(|| program.at(&params, true).run(&mut room.psi, &mut room.rooms, threads));
        });
    }
}

fn both_precisions(c: &mut Criterion) {
    forward::<f64>(c, "double");
    forward::<f32>(c, "single");
}

/// Forward, times an arbitrary cotangent, and backward.
fn gradient(c: &mut Criterion) {
    let mut group = c.benchmark_group("gradient [amplitudes]");
    for n in N_QUBITS {
        let program = chain(n, N_LAYERS);
        let (params, threads) = (angles(program.plan().n_params()), threads(&program));
        let cotangent: Vec<_> = (0..1 << n).map(|z| (z * 7919 % 1009) as f64 / 500.0).collect();
        let mut room = Workspace::<f64>::new(&program);
        let mut derivatives = vec![0.0; params.len()];
        group.throughput(Throughput::Elements(1 << n));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| {
                let evolution = program.at(&params, false);
                evolution.run(&mut room.psi, &mut room.rooms, threads);
                derivatives.fill(0.0);
                let start = Start::State { psi: None, cotangent: &cotangent, shift: 0.0 };
                evolution.adjoint(start, &mut room, &mut derivatives, threads);
                derivatives[0]
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
    targets = both_precisions, gradient
}
criterion_main!(benches);
