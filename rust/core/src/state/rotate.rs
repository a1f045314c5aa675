//! Stages of real rotations, forward and backward.
//!
//! RY mixes amplitudes with real coefficients, so real and imaginary parts are two arrays that are
//! treated alike and never meet: a state is turned by turning two real vectors.

use super::real::{Real, fma};
use super::tiles::{Shared, Sweep, Tile, Tiling, n_tasks, tiles_of};
use crate::parallel::{Threads, map_tasks};
use crate::simd::{kernel, one_turn_at_a_time};

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

/// Rotates one pair of lanes by an angle whose half has cosine c and sine s.
#[inline(always)]
fn pair<T: Real, const FMA: bool, const LANES: usize>(
    x: [T; LANES],
    y: [T; LANES],
    c: T,
    s: T,
) -> ([T; LANES], [T; LANES]) {
    (
        std::array::from_fn(|k| fma::<T, FMA>(-s, y[k], c * x[k])),
        std::array::from_fn(|k| fma::<T, FMA>(s, x[k], c * y[k])),
    )
}

/// Qubits above the lanes: whole rows meet, up to eight in registers at once.
mod rows {
    use super::{Real, Rotation, fma, one_turn_at_a_time, pair};

    /// Runs a body for every qubit k and every pair of rows that differ in it, written out, because
    /// arrays only stay in registers where all their indices are constants.
    macro_rules! each_pair {
        ($rows:ident, |$k:ident, $r:ident, $other:ident| $body:block) => {
            each_pair!(@ $k $r $other $body 0 0 1);
            if $rows > 2 {
                each_pair!(@ $k $r $other $body 0 2 3, 1 0 2, 1 1 3);
            }
            if $rows > 4 {
                each_pair!(@ $k $r $other $body 0 4 5, 0 6 7, 1 4 6, 1 5 7);
                each_pair!(@ $k $r $other $body 2 0 4, 2 1 5, 2 2 6, 2 3 7);
            }
        };
        (@ $k:ident $r:ident $other:ident $body:block $($qubit:literal $low:literal $high:literal),*) => {
            $({
                let ($k, $r, $other) = ($qubit, $low, $high);
                $body
            })*
        };
    }

    /// Cuts a chunk into rows of equal length.
    #[inline(always)]
    pub fn split<T, const ROWS: usize>(chunk: &mut [T]) -> [&mut [T]; ROWS] {
        let mut rows = chunk.chunks_exact_mut(chunk.len() / ROWS);
        std::array::from_fn(|_| rows.next().expect("as many rows as asked for"))
    }

    #[inline(always)]
    pub fn rotate<
        T: Real,
        const FMA: bool,
        const LANES: usize,
        const K: usize,
        const ROWS: usize,
    >(
        rows: [&mut [T]; ROWS],
        rotations: &[Rotation<T>; K],
    ) {
        let mut rows = rows.map(|row| row.as_chunks_mut::<LANES>().0);
        for i in 0..rows[0].len() {
            one_turn_at_a_time();
            let mut x: [[T; LANES]; ROWS] = std::array::from_fn(|r| rows[r][i]);
            each_pair!(ROWS, |k, r, other| {
                let turn = &rotations[k];
                (x[r], x[other]) = pair::<T, FMA, LANES>(x[r], x[other], turn.cos, turn.sin);
            });
            (0..ROWS).for_each(|r| rows[r][i] = x[r]);
        }
    }

    #[inline(always)]
    pub fn unrotate<
        T: Real,
        const FMA: bool,
        const LANES: usize,
        const K: usize,
        const ROWS: usize,
    >(
        psi: [&mut [T]; ROWS],
        lambda: [&mut [T]; ROWS],
        rotations: &[Rotation<T>; K],
        sums: &mut [f64],
    ) {
        let mut psi = psi.map(|row| row.as_chunks_mut::<LANES>().0);
        let mut lambda = lambda.map(|row| row.as_chunks_mut::<LANES>().0);
        let mut by_lane = [[T::ZERO; LANES]; K];
        for i in 0..psi[0].len().min(lambda[0].len()) {
            one_turn_at_a_time();
            let mut p: [[T; LANES]; ROWS] = std::array::from_fn(|r| psi[r][i]);
            let mut l: [[T; LANES]; ROWS] = std::array::from_fn(|r| lambda[r][i]);
            each_pair!(ROWS, |k, r, other| {
                let (turn, sum) = (&rotations[k], by_lane[k]);
                by_lane[k] = std::array::from_fn(|j| {
                    let up = fma::<T, FMA>(l[other][j], p[r][j], sum[j]);
                    fma::<T, FMA>(-l[r][j], p[other][j], up)
                });
                (p[r], p[other]) = pair::<T, FMA, LANES>(p[r], p[other], turn.cos, -turn.sin);
                (l[r], l[other]) = pair::<T, FMA, LANES>(l[r], l[other], turn.cos, -turn.sin);
            });
            (0..ROWS).for_each(|r| psi[r][i] = p[r]);
            (0..ROWS).for_each(|r| lambda[r][i] = l[r]);
        }
        for (sum, lanes) in sums.iter_mut().zip(by_lane) {
            *sum += lanes.into_iter().map(T::to_f64).sum::<f64>();
        }
    }
}

/// Qubits inside the lanes: each number meets the one whose position differs in that bit.
mod lanes {
    use super::{Real, Rotation, fma, one_turn_at_a_time};

    /// Runs a body for each qubit inside the lanes, with its number as a constant.
    macro_rules! each_qubit {
        ($low:ident, |$q:ident| $body:expr) => {
            each_qubit!(@ $low $q $body; 0 1 2 3)
        };
        (@ $low:ident $q:ident $body:expr; $($qubit:literal)*) => {
            $(if $qubit < $low {
                const $q: usize = $qubit;
                $body;
            })*
        };
    }

    /// Each low qubit's cosine, and its sine with its sign in each lane; no turn where there is no
    /// rotation.
    #[inline(always)]
    fn factors<T: Real, const LANES: usize, const LOW: usize>(
        rotations: &[Rotation<T>],
        forward: bool,
    ) -> ([T; LOW], [[T; LANES]; LOW]) {
        let mut cos = [T::ONE; LOW];
        let mut sin = [[T::ZERO; LANES]; LOW];
        for r in rotations {
            cos[r.qubit] = r.cos;
            let up = |k: usize| k >> r.qubit & 1 == 1;
            sin[r.qubit] = std::array::from_fn(|k| if up(k) == forward { r.sin } else { -r.sin });
        }
        (cos, sin)
    }

    #[inline(always)]
    fn turn<T: Real, const FMA: bool, const LANES: usize, const QUBIT: usize>(
        x: [T; LANES],
        cos: T,
        sin: [T; LANES],
    ) -> [T; LANES] {
        let partner: [T; LANES] = std::array::from_fn(|k| x[k ^ 1 << QUBIT]);
        std::array::from_fn(|k| fma::<T, FMA>(partner[k], sin[k], cos * x[k]))
    }

    #[inline(always)]
    pub fn rotate<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
        tile: &mut [T],
        rotations: &[Rotation<T>],
    ) {
        let (cos, sin) = factors::<T, LANES, LOW>(rotations, true);
        for chunk in tile.as_chunks_mut::<LANES>().0 {
            one_turn_at_a_time();
            let mut x = *chunk;
            each_qubit!(LOW, |Q| x = turn::<T, FMA, LANES, Q>(x, cos[Q], sin[Q]));
            *chunk = x;
        }
    }

    #[inline(always)]
    pub fn unrotate<T: Real, const FMA: bool, const LANES: usize, const LOW: usize>(
        psi: &mut [T],
        lambda: &mut [T],
        rotations: &[Rotation<T>],
        sums: &mut [f64],
    ) {
        let (cos, sin) = factors::<T, LANES, LOW>(rotations, false);
        let mut by_lane = [[T::ZERO; LANES]; LOW];
        let chunks = psi.as_chunks_mut::<LANES>().0.iter_mut();
        for (psi, lambda) in chunks.zip(lambda.as_chunks_mut::<LANES>().0) {
            one_turn_at_a_time();
            let (mut p, mut l) = (*psi, *lambda);
            each_qubit!(LOW, |Q| {
                let sum = by_lane[Q];
                by_lane[Q] = std::array::from_fn(|k| fma::<T, FMA>(l[k], p[k ^ 1 << Q], sum[k]));
                p = turn::<T, FMA, LANES, Q>(p, cos[Q], sin[Q]);
                l = turn::<T, FMA, LANES, Q>(l, cos[Q], sin[Q]);
            });
            (*psi, *lambda) = (p, l);
        }
        for (r, sum) in rotations.iter().zip(sums) {
            // lambda_1 psi_0 counts up, lambda_0 psi_1 down.
            let signed = by_lane[r.qubit]
                .into_iter()
                .enumerate()
                .map(|(k, x)| if k >> r.qubit & 1 == 1 { x.to_f64() } else { -x.to_f64() });
            *sum += signed.sum::<f64>();
        }
    }
}

/// For vectors shorter than the lanes.
mod slow {
    use super::{Real, Rotation};

    pub fn rotate<T: Real>(tile: &mut [T], r: &Rotation<T>) {
        for i in (0..tile.len()).filter(|i| i >> r.qubit & 1 == 0) {
            let j = i | 1 << r.qubit;
            let (x, y) = (tile[i], tile[j]);
            (tile[i], tile[j]) = (r.cos * x - r.sin * y, r.sin * x + r.cos * y);
        }
    }

    pub fn unrotate<T: Real>(psi: &mut [T], lambda: &mut [T], r: &Rotation<T>) -> f64 {
        let mut sum = 0.0;
        for i in (0..psi.len()).filter(|i| i >> r.qubit & 1 == 0) {
            let j = i | 1 << r.qubit;
            sum += (lambda[j] * psi[i] - lambda[i] * psi[j]).to_f64();
        }
        let back = Rotation { sin: -r.sin, ..*r };
        rotate(psi, &back);
        rotate(lambda, &back);
        sum
    }
}
