//! Stages of real rotations, forward and backward.
//!
//! RY mixes amplitudes with real coefficients, so real and imaginary parts are two arrays that are
//! treated alike and never meet: a state is turned by turning two real vectors.

mod lanes;
mod rows;
mod slow;

use super::real::Real;
use super::tiles::{Shared, Sweep, Tile, Tiling, n_tasks, tiles_of};
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

/// Applies rotations (ascending qubits) to a vector.
pub fn rotate<T: Real>(vector: &mut [T], rotations: &[Rotation<T>], threads: Threads) {
    let n_qubits = vector.len().ilog2() as usize;
    let qubits: Vec<_> = rotations.iter().map(|r| r.qubit).collect();
    let vector = Shared::new(vector);
    for (sweep, range) in Sweep::cover(n_qubits, &qubits) {
        let n_tiles = sweep.tiling().n_tiles();
        let rotations = &rotations[range];
        // SAFETY below: tasks have different tiles, and one sweep is done before the next.
        map_tasks(threads, n_tasks(n_tiles), |task| match sweep {
            Sweep::Blocks(tiling) => {
                for tile in tiles_of(task, n_tiles) {
                    rotate_tile(unsafe { vector.piece(tiling.block(tile)) }, rotations);
                }
            }
            Sweep::Tiles(tiling) => {
                let local = localise(tiling, rotations);
                let mut room = Tile::zeros();
                for tile in tiles_of(task, n_tiles) {
                    unsafe {
                        vector.with_tile(tiling, tile, &mut room, |t| rotate_tile(t, &local))
                    };
                }
            }
            Sweep::Rows(rows) => {
                for tile in tiles_of(task, n_tiles) {
                    match rotations.len() {
                        1 => rotate_two(unsafe { vector.rows(rows, tile) }, rotations),
                        2 => rotate_four(unsafe { vector.rows(rows, tile) }, rotations),
                        _ => rotate_eight(unsafe { vector.rows(rows, tile) }, rotations),
                    }
                }
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
    for (sweep, range) in Sweep::cover(n_qubits, &qubits) {
        let n_tiles = sweep.tiling().n_tiles();
        let rotations = &rotations[range.clone()];
        // SAFETY below: tasks have different tiles, and one sweep is done before the next.
        let parts = map_tasks(threads, n_tasks(n_tiles), |task| {
            let mut sums = vec![0.0; rotations.len()];
            match sweep {
                Sweep::Blocks(tiling) => {
                    for tile in tiles_of(task, n_tiles) {
                        let block = tiling.block(tile);
                        let (p, l) = unsafe { (psi.piece(block.clone()), lambda.piece(block)) };
                        unrotate_tile(p, l, rotations, &mut sums);
                    }
                }
                Sweep::Tiles(tiling) => {
                    let local = localise(tiling, rotations);
                    let (mut room, mut other_room) = (Tile::zeros(), Tile::zeros());
                    for tile in tiles_of(task, n_tiles) {
                        unsafe {
                            psi.with_tile(tiling, tile, &mut room, |p| {
                                lambda.with_tile(tiling, tile, &mut other_room, |l| {
                                    unrotate_tile(p, l, &local, &mut sums);
                                });
                            });
                        }
                    }
                }
                Sweep::Rows(rows) => {
                    for tile in tiles_of(task, n_tiles) {
                        let sums = &mut sums[..];
                        unsafe {
                            match rotations.len() {
                                1 => {
                                    let (p, l) = (psi.rows(rows, tile), lambda.rows(rows, tile));
                                    unrotate_two(p, l, rotations, sums);
                                }
                                2 => {
                                    let (p, l) = (psi.rows(rows, tile), lambda.rows(rows, tile));
                                    unrotate_four(p, l, rotations, sums);
                                }
                                _ => {
                                    let (p, l) = (psi.rows(rows, tile), lambda.rows(rows, tile));
                                    unrotate_eight(p, l, rotations, sums);
                                }
                            }
                        }
                    }
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
        if size_of::<T>() == 4 {
            rotate_groups::<T, FMA, 16, 4>(tile, rotations);
        } else {
            rotate_groups::<T, FMA, 8, 3>(tile, rotations);
        }
    }
}

kernel! {
    fn unrotate_tile<T>(psi: &mut [T], lambda: &mut [T], rotations: &[Rotation<T>], sums: &mut [f64]) {
        if size_of::<T>() == 4 {
            unrotate_groups::<T, FMA, 16, 4>(psi, lambda, rotations, sums);
        } else {
            unrotate_groups::<T, FMA, 8, 3>(psi, lambda, rotations, sums);
        }
    }
}

macro_rules! row_kernels {
    ($($rotate:ident $unrotate:ident $rows:literal $k:literal;)*) => {$(
        kernel! {
            fn $rotate<T>(rows: [&mut [T]; $rows], rotations: &[Rotation<T>]) {
                let rotations: [Rotation<T>; $k] = std::array::from_fn(|k| rotations[k]);
                if size_of::<T>() == 4 {
                    rows::rotate::<T, FMA, 16, $k, $rows>(rows, &rotations);
                } else {
                    rows::rotate::<T, FMA, 8, $k, $rows>(rows, &rotations);
                }
            }
        }
        kernel! {
            fn $unrotate<T>(
                psi: [&mut [T]; $rows],
                lambda: [&mut [T]; $rows],
                rotations: &[Rotation<T>],
                sums: &mut [f64],
            ) {
                let rotations: [Rotation<T>; $k] = std::array::from_fn(|k| rotations[k]);
                if size_of::<T>() == 4 {
                    rows::unrotate::<T, FMA, 16, $k, $rows>(psi, lambda, &rotations, sums);
                } else {
                    rows::unrotate::<T, FMA, 8, $k, $rows>(psi, lambda, &rotations, sums);
                }
            }
        }
    )*};
}

row_kernels! {
    rotate_two unrotate_two 2 1;
    rotate_four unrotate_four 4 2;
    rotate_eight unrotate_eight 8 3;
}

/// Splits rotations into those of qubits inside the lanes and groups of up to three neighbours,
/// each of which is one pass over the tile.
#[inline(always)]
fn rotate_groups<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
    tile: &mut [T],
    rotations: &[Rotation<T>],
) {
    if tile.len() < LANES {
        return rotations.iter().for_each(|r| slow::rotate(tile, r));
    }
    let (inside, above) = rotations.split_at(rotations.partition_point(|r| r.qubit < LOW));
    if !inside.is_empty() {
        lanes::rotate::<T, FMA, LANES, LOW>(tile, inside);
    }
    let mut rest = above;
    while let [first, ..] = rest {
        let q = first.qubit;
        match rest {
            [a, b, c, ..] if c.qubit == q + 2 => {
                for chunk in tile.chunks_exact_mut(8 << q) {
                    rows::rotate::<T, FMA, LANES, 3, 8>(rows::split(chunk), &[*a, *b, *c]);
                }
                rest = &rest[3..];
            }
            [a, b, ..] if b.qubit == q + 1 => {
                for chunk in tile.chunks_exact_mut(4 << q) {
                    rows::rotate::<T, FMA, LANES, 2, 4>(rows::split(chunk), &[*a, *b]);
                }
                rest = &rest[2..];
            }
            _ => {
                for chunk in tile.chunks_exact_mut(2 << q) {
                    rows::rotate::<T, FMA, LANES, 1, 2>(rows::split(chunk), &[*first]);
                }
                rest = &rest[1..];
            }
        }
    }
}

/// The same backward, for a state and its cotangent together.
#[inline(always)]
fn unrotate_groups<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
    psi: &mut [T],
    lambda: &mut [T],
    rotations: &[Rotation<T>],
    sums: &mut [f64],
) {
    if psi.len() < LANES {
        let each = rotations.iter().zip(sums);
        return each.for_each(|(r, sum)| *sum += slow::unrotate(psi, lambda, r));
    }
    let n_inside = rotations.partition_point(|r| r.qubit < LOW);
    let (inside, above) = rotations.split_at(n_inside);
    let (inside_sums, above_sums) = sums.split_at_mut(n_inside);
    if !inside.is_empty() {
        lanes::unrotate::<T, FMA, LANES, LOW>(psi, lambda, inside, inside_sums);
    }
    let (mut rest, mut sums) = (above, above_sums);
    while let [first, ..] = rest {
        let q = first.qubit;
        let n = match rest {
            [a, b, c, ..] if c.qubit == q + 2 => {
                let turns = [*a, *b, *c];
                for (p, l) in psi.chunks_exact_mut(8 << q).zip(lambda.chunks_exact_mut(8 << q)) {
                    let (p, l) = (rows::split(p), rows::split(l));
                    rows::unrotate::<T, FMA, LANES, 3, 8>(p, l, &turns, sums);
                }
                3
            }
            [a, b, ..] if b.qubit == q + 1 => {
                for (p, l) in psi.chunks_exact_mut(4 << q).zip(lambda.chunks_exact_mut(4 << q)) {
                    let (p, l) = (rows::split(p), rows::split(l));
                    rows::unrotate::<T, FMA, LANES, 2, 4>(p, l, &[*a, *b], sums);
                }
                2
            }
            _ => {
                for (p, l) in psi.chunks_exact_mut(2 << q).zip(lambda.chunks_exact_mut(2 << q)) {
                    let (p, l) = (rows::split(p), rows::split(l));
                    rows::unrotate::<T, FMA, LANES, 1, 2>(p, l, &[*first], sums);
                }
                1
            }
        };
        rest = &rest[n..];
        sums = &mut sums[n..];
    }
}
