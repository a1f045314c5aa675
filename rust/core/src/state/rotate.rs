//! Stages of real rotations, forward and backward.
//!
//! RY mixes amplitudes with real coefficients, so real and imaginary parts are two arrays that are
//! treated alike and never meet: a state is turned by turning two real vectors.

use super::real::{Real, fma};
use super::tiles::{Shared, Tile, Tiling, n_tasks, tiles_of};
use crate::parallel::{Threads, map_tasks};
use crate::simd::kernel;

/// RY on one qubit: cosine and sine of half its angle.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<T> {
    /// The qubit.
    pub qubit: usize,
    /// cos(angle / 2).
    pub cos: T,
    /// sin(angle / 2).
    pub sin: T,
}

impl<T: Real> Rotation<T> {
    /// The rotation by `angle` radians.
    pub fn new(qubit: usize, angle: f64) -> Self {
        let (sin, cos) = (angle / 2.0).sin_cos();
        Self { qubit, cos: T::from_f64(cos), sin: T::from_f64(sin) }
    }
}

/// Numbers that one step of a loop works on: a multiple of every vector's length.
const LANES: usize = 16;

/// Applies rotations (ascending qubits) to a vector.
pub fn rotate<T: Real>(vector: &mut [T], rotations: &[Rotation<T>], threads: Threads) {
    let n_qubits = vector.len().ilog2() as usize;
    let qubits: Vec<_> = rotations.iter().map(|r| r.qubit).collect();
    let vector = Shared::new(vector);
    for (tiling, range) in Tiling::cover(n_qubits, &qubits) {
        let local = localise(tiling, &rotations[range]);
        let n_tiles = tiling.n_tiles();
        map_tasks(threads, n_tasks(n_tiles), |task| {
            let mut room = Tile::zeros();
            for tile in tiles_of(task, n_tiles) {
                // SAFETY: tasks have different tiles, and one tiling is done before the next.
                unsafe { vector.with_tile(tiling, tile, &mut room, |t| rotate_tile(t, &local)) };
            }
        });
    }
}

/// Undoes rotations on a state's vector and on its cotangent's, and adds to `derivatives`, one for
/// each rotation, `sum over pairs of (lambda_1 psi_0 - lambda_0 psi_1)`: the derivative of the
/// objective by the angle.
pub fn unrotate<T: Real>(
    psi: &mut [T],
    lambda: &mut [T],
    rotations: &[Rotation<T>],
    derivatives: &mut [f64],
    threads: Threads,
) {
    let n_qubits = psi.len().ilog2() as usize;
    let qubits: Vec<_> = rotations.iter().map(|r| r.qubit).collect();
    let (psi, lambda) = (Shared::new(psi), Shared::new(lambda));
    for (tiling, range) in Tiling::cover(n_qubits, &qubits) {
        let local = localise(tiling, &rotations[range.clone()]);
        let n_tiles = tiling.n_tiles();
        let parts = map_tasks(threads, n_tasks(n_tiles), |task| {
            let mut sums = vec![0.0; local.len()];
            let (mut room, mut other_room) = (Tile::zeros(), Tile::zeros());
            for tile in tiles_of(task, n_tiles) {
                // SAFETY: tasks have different tiles, and one tiling is done before the next.
                unsafe {
                    psi.with_tile(tiling, tile, &mut room, |p| {
                        lambda.with_tile(tiling, tile, &mut other_room, |l| {
                            unrotate_tile(p, l, &local, &mut sums);
                        });
                    });
                }
            }
            sums
        });
        for sums in parts {
            derivatives[range.clone()].iter_mut().zip(sums).for_each(|(d, s)| *d += s);
        }
    }
}

fn localise<T: Real>(tiling: Tiling, rotations: &[Rotation<T>]) -> Vec<Rotation<T>> {
    rotations.iter().map(|r| Rotation { qubit: tiling.local(r.qubit), ..*r }).collect()
}

kernel! {
    fn rotate_tile<T>(tile: &mut [T], rotations: &[Rotation<T>]) {
        for r in rotations {
            match r.qubit {
                _ if tile.len() < LANES => rotate_slowly(tile, r.qubit, r.cos, r.sin),
                0 => rotate_lanes::<T, FMA, 0>(tile, r.cos, r.sin),
                1 => rotate_lanes::<T, FMA, 1>(tile, r.cos, r.sin),
                2 => rotate_lanes::<T, FMA, 2>(tile, r.cos, r.sin),
                3 => rotate_lanes::<T, FMA, 3>(tile, r.cos, r.sin),
                q => rotate_rows::<T, FMA>(tile, q, r.cos, r.sin),
            }
        }
    }
}

kernel! {
    fn unrotate_tile<T>(psi: &mut [T], lambda: &mut [T], rotations: &[Rotation<T>], sums: &mut [f64]) {
        for (r, sum) in rotations.iter().zip(sums) {
            let by_lane = match r.qubit {
                _ if psi.len() < LANES => overlap_slowly(psi, lambda, r.qubit),
                0 => overlap_lanes::<T, FMA, 0>(psi, lambda),
                1 => overlap_lanes::<T, FMA, 1>(psi, lambda),
                2 => overlap_lanes::<T, FMA, 2>(psi, lambda),
                3 => overlap_lanes::<T, FMA, 3>(psi, lambda),
                q => overlap_rows::<T, FMA>(psi, lambda, q),
            };
            *sum += by_lane.into_iter().map(T::to_f64).sum::<f64>();
            for vector in [&mut *psi, &mut *lambda] {
                match r.qubit {
                    _ if vector.len() < LANES => rotate_slowly(vector, r.qubit, r.cos, -r.sin),
                    0 => rotate_lanes::<T, FMA, 0>(vector, r.cos, -r.sin),
                    1 => rotate_lanes::<T, FMA, 1>(vector, r.cos, -r.sin),
                    2 => rotate_lanes::<T, FMA, 2>(vector, r.cos, -r.sin),
                    3 => rotate_lanes::<T, FMA, 3>(vector, r.cos, -r.sin),
                    q => rotate_rows::<T, FMA>(vector, q, r.cos, -r.sin),
                }
            }
        }
    }
}

/// For vectors shorter than the lanes.
fn rotate_slowly<T: Real>(tile: &mut [T], qubit: usize, cos: T, sin: T) {
    for i in (0..tile.len()).filter(|i| i >> qubit & 1 == 0) {
        let j = i | 1 << qubit;
        (tile[i], tile[j]) = (cos * tile[i] - sin * tile[j], sin * tile[i] + cos * tile[j]);
    }
}

fn overlap_slowly<T: Real>(psi: &[T], lambda: &[T], qubit: usize) -> [T; LANES] {
    let mut sums = [T::ZERO; LANES];
    for i in (0..psi.len()).filter(|i| i >> qubit & 1 == 0) {
        let j = i | 1 << qubit;
        sums[0] += lambda[j] * psi[i] - lambda[i] * psi[j];
    }
    sums
}

/// The sine's sign in each lane, for a qubit inside the lanes.
#[inline(always)]
fn signed<T: Real, const QUBIT: usize>(value: T) -> [T; LANES] {
    std::array::from_fn(|k| if k >> QUBIT & 1 == 0 { -value } else { value })
}

/// Put into a loop, keeps the compiler from running several turns of it side by side: it would
/// collect its lanes with gathers, where the turn alone needs shuffles only (measured: 3x slower).
#[inline(always)]
fn one_turn_at_a_time() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

/// A qubit inside the lanes: each number meets the one whose position differs in that bit.
#[inline(always)]
fn rotate_lanes<T: Real, const FMA: bool, const QUBIT: usize>(tile: &mut [T], cos: T, sin: T) {
    let sin = signed::<T, QUBIT>(sin);
    for x in tile.as_chunks_mut::<LANES>().0 {
        one_turn_at_a_time();
        let partner: [T; LANES] = std::array::from_fn(|k| x[k ^ 1 << QUBIT]);
        *x = std::array::from_fn(|k| fma::<T, FMA>(partner[k], sin[k], cos * x[k]));
    }
}

/// A qubit above the lanes: whole rows meet.
#[inline(always)]
fn rotate_rows<T: Real, const FMA: bool>(tile: &mut [T], qubit: usize, cos: T, sin: T) {
    for pair in tile.chunks_exact_mut(2 << qubit) {
        let (zeros, ones) = pair.split_at_mut(1 << qubit);
        let (zeros, ones) = (zeros.as_chunks_mut::<LANES>().0, ones.as_chunks_mut::<LANES>().0);
        for (a, b) in zeros.iter_mut().zip(ones) {
            let (x, y) = (*a, *b);
            *a = std::array::from_fn(|k| fma::<T, FMA>(-sin, y[k], cos * x[k]));
            *b = std::array::from_fn(|k| fma::<T, FMA>(sin, x[k], cos * y[k]));
        }
    }
}

#[inline(always)]
fn overlap_lanes<T: Real, const FMA: bool, const QUBIT: usize>(
    psi: &[T],
    lambda: &[T],
) -> [T; LANES] {
    let mut sums = [T::ZERO; LANES];
    for (p, l) in psi.as_chunks::<LANES>().0.iter().zip(lambda.as_chunks::<LANES>().0) {
        one_turn_at_a_time();
        let partner: [T; LANES] = std::array::from_fn(|k| p[k ^ 1 << QUBIT]);
        sums = std::array::from_fn(|k| fma::<T, FMA>(l[k], partner[k], sums[k]));
    }
    let sign = signed::<T, QUBIT>(T::ONE);
    std::array::from_fn(|k| sums[k] * sign[k])
}

#[inline(always)]
fn overlap_rows<T: Real, const FMA: bool>(psi: &[T], lambda: &[T], qubit: usize) -> [T; LANES] {
    let mut sums = [T::ZERO; LANES];
    for (p, l) in psi.chunks_exact(2 << qubit).zip(lambda.chunks_exact(2 << qubit)) {
        let ((p0, p1), (l0, l1)) = (p.split_at(1 << qubit), l.split_at(1 << qubit));
        let zeros = p0.as_chunks::<LANES>().0.iter().zip(l0.as_chunks::<LANES>().0);
        let ones = p1.as_chunks::<LANES>().0.iter().zip(l1.as_chunks::<LANES>().0);
        for ((p0, l0), (p1, l1)) in zeros.zip(ones) {
            sums = std::array::from_fn(|k| {
                fma::<T, FMA>(l1[k], p0[k], fma::<T, FMA>(-l0[k], p1[k], sums[k]))
            });
        }
    }
    sums
}
