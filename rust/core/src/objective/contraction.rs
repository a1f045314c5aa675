//! Contracting a table of 2^n values with a product of n factors, and all derivatives of that, from
//! one reading of the table and without ever writing the product's 2^n entries.
//!
//! An outcome's bits are cut into low, high and top ones. Each block of the table (a top setting) is
//! a matrix, high by low; one sweep gives both its product with the high factors, which the low bits'
//! derivatives need, and with the low factors, which the high bits' need. Several products are
//! contracted with the same table side by side, one a SIMD lane.

use crate::parallel::{Threads, map_tasks};
use crate::simd::{kernel, one_turn_at_a_time};
use crate::state::fma;

/// Products contracted side by side.
pub const LANES: usize = 8;
/// A number for each of them.
pub type Lanes = [f64; LANES];

/// A block's factors and sums stay in the first-level cache.
const LOW_BITS: usize = 6;
const HIGH_BITS: usize = 7;
/// Columns of a block whose sums are held in registers.
const TILE: usize = 4;
/// At most so many tasks share the blocks of a table.
const MAX_TASKS: usize = 64;

/// What one bit multiplies the product by where it is 0 and where it is 1, and the derivatives of
/// both by the bit's own angle.
#[derive(Debug, Clone, Copy)]
pub struct Bit {
    pub factors: [Lanes; 2],
    pub slopes: [Lanes; 2],
}

/// `sum_z table(z) prod_q factor_q(z_q)` and its derivatives by each bit's angle.
pub struct Contraction {
    pub value: Lanes,
    pub slopes: Vec<Lanes>,
}

/// Where contractions with n bits do their work, made once for many of them.
pub struct Room {
    /// [`products`] of the low, the high and the top bits.
    products: [Vec<Lanes>; 3],
    sums: Sums,
    found: Contraction,
}

impl Room {
    pub fn new(n_bits: usize) -> Self {
        let low = n_bits.min(LOW_BITS);
        let high = (n_bits - low).min(HIGH_BITS);
        let products = [low, high, n_bits - low - high].map(|k| vec![[1.0; LANES]; 2 << k]);
        let found = Contraction { value: [0.0; LANES], slopes: vec![[0.0; LANES]; n_bits] };
        Self { products, sums: Sums::new(1 << low, 1 << high), found }
    }
}

/// Contracts a table of 2^n entries with n bits.
pub fn contract<'a>(
    table: &[f64],
    bits: &[Bit],
    room: &'a mut Room,
    threads: Threads,
) -> &'a Contraction {
    debug_assert_eq!(table.len(), 1 << bits.len());
    let Room { products: [low_products, high_products, top_products], sums, found } = room;
    let [width, height, n_blocks] =
        [&*low_products, high_products, top_products].map(|products| products.len() / 2);
    let (low, rest) = bits.split_at(width.ilog2() as usize);
    let (high, top) = rest.split_at(height.ilog2() as usize);
    products(low, low_products);
    products(high, high_products);
    products(top, top_products);
    let (of_low, of_high) = (&low_products[width..], &high_products[height..]);
    if n_blocks == 1 {
        sweep(table, of_low, of_high, &mut sums.columns, &mut sums.rows);
    } else {
        *sums = sum_of_blocks(table, of_low, of_high, &top_products[n_blocks..], threads);
    }
    let (low_slopes, rest) = found.slopes.split_at_mut(low.len());
    let (high_slopes, top_slopes) = rest.split_at_mut(high.len());
    fold(&mut sums.columns, low_products, low, low_slopes);
    fold(&mut sums.rows, high_products, high, high_slopes);
    if n_blocks > 1 {
        fold(&mut sums.blocks, top_products, top, top_slopes);
    }
    found.value = sums.columns[0];
    found
}

fn sum_of_blocks(
    table: &[f64],
    low: &[Lanes],
    high: &[Lanes],
    top: &[Lanes],
    threads: Threads,
) -> Sums {
    let (width, height, n_blocks) = (low.len(), high.len(), top.len());
    let n_tasks = n_blocks.min(MAX_TASKS);
    let tasks = map_tasks(threads, n_tasks, |task| {
        let mut sums = Sums::new(width, height);
        let mut block_sums = Sums::new(width, height);
        for block in task * n_blocks / n_tasks..(task + 1) * n_blocks / n_tasks {
            let values = &table[block * width * height..(block + 1) * width * height];
            sweep(values, low, high, &mut block_sums.columns, &mut block_sums.rows);
            sums.add(&block_sums, low, &top[block]);
        }
        sums
    });
    let mut tasks = tasks.into_iter();
    let mut total = tasks.next().expect("at least one task");
    for sums in tasks {
        add(&mut total.columns, &sums.columns);
        add(&mut total.rows, &sums.rows);
        total.blocks.extend(sums.blocks);
    }
    total
}

/// Contractions with all bits but the low, the high or the top ones.
struct Sums {
    columns: Vec<Lanes>,
    rows: Vec<Lanes>,
    blocks: Vec<Lanes>,
}

impl Sums {
    fn new(width: usize, height: usize) -> Self {
        let zeros = |n| vec![[0.0; LANES]; n];
        Self { columns: zeros(width), rows: zeros(height), blocks: Vec::new() }
    }

    /// Adds a block's sums, times the factor of its top bits.
    fn add(&mut self, block: &Self, low_products: &[Lanes], factor: &Lanes) {
        let mut total = [0.0; LANES];
        add_scaled(&block.columns, factor, &mut self.columns);
        add_scaled(&block.rows, factor, &mut self.rows);
        add_products(&block.columns, low_products, &mut total);
        self.blocks.push(total);
    }
}

/// Writes the products of the first q bits' factors for q = 1..=k into one array, in which the 2^q
/// entries for the first q bits stand at 2^q; that of no bits, at 1, is 1.
fn products(bits: &[Bit], all: &mut [Lanes]) {
    for (q, bit) in bits.iter().enumerate() {
        let (known, next) = all.split_at_mut(2 << q);
        let (zeros, ones) = next[..2 << q].split_at_mut(1 << q);
        multiply(&known[1 << q..], &bit.factors[0], zeros);
        multiply(&known[1 << q..], &bit.factors[1], ones);
    }
}

kernel! {
    fn multiply(from: &[Lanes], factor: &Lanes, out: &mut [Lanes]) {
        for (x, y) in out.iter_mut().zip(from) {
            one_turn_at_a_time();
            for k in 0..LANES {
                x[k] = y[k] * factor[k];
            }
        }
    }
}

kernel! {
    fn add(out: &mut [Lanes], from: &[Lanes]) {
        for (x, y) in out.iter_mut().zip(from) {
            one_turn_at_a_time();
            for k in 0..LANES {
                x[k] += y[k];
            }
        }
    }
}

kernel! {
    fn add_scaled(from: &[Lanes], factor: &Lanes, out: &mut [Lanes]) {
        for (x, y) in out.iter_mut().zip(from) {
            one_turn_at_a_time();
            for k in 0..LANES {
                x[k] = fma::<f64, FMA>(y[k], factor[k], x[k]);
            }
        }
    }
}

kernel! {
    fn add_products(a: &[Lanes], b: &[Lanes], out: &mut Lanes) {
        for (x, y) in a.iter().zip(b) {
            one_turn_at_a_time();
            for k in 0..LANES {
                out[k] = fma::<f64, FMA>(x[k], y[k], out[k]);
            }
        }
    }
}

kernel! {
    /// Of a block with a row for each entry of `high` and a column for each of `low`: each column's
    /// sum, weighted by `high`, and each row's, weighted by `low`.
    fn sweep(
        table: &[f64],
        low: &[Lanes],
        high: &[Lanes],
        columns: &mut [Lanes],
        rows: &mut [Lanes],
    ) {
        rows.fill([0.0; LANES]);
        if low.len().is_multiple_of(TILE) {
            for first in (0..low.len()).step_by(TILE) {
                sweep_columns::<FMA, TILE>(table, low, high, first, columns, rows);
            }
        } else {
            for first in 0..low.len() {
                sweep_columns::<FMA, 1>(table, low, high, first, columns, rows);
            }
        }
    }
}

/// As [`sweep`], of `N` columns.
#[inline(always)]
fn sweep_columns<const FMA: bool, const N: usize>(
    table: &[f64],
    low: &[Lanes],
    high: &[Lanes],
    first: usize,
    columns: &mut [Lanes],
    rows: &mut [Lanes],
) {
    let width = low.len();
    let low: [Lanes; N] = std::array::from_fn(|j| low[first + j]);
    let mut sums = [[0.0; LANES]; N];
    for ((h, factor), row) in high.iter().enumerate().zip(rows) {
        one_turn_at_a_time();
        let values = &table[h * width + first..][..N];
        let mut row_sum = *row;
        for j in 0..N {
            for k in 0..LANES {
                sums[j][k] = fma::<f64, FMA>(values[j], factor[k], sums[j][k]);
                row_sum[k] = fma::<f64, FMA>(values[j], low[j][k], row_sum[k]);
            }
        }
        *row = row_sum;
    }
    columns[first..first + N].copy_from_slice(&sums);
}

kernel! {
    /// Contracts `values` bit by bit, from the highest, into its first entry; each bit's derivative
    /// is read off on the way, with the products of the bits below it.
    fn fold(values: &mut [Lanes], products: &[Lanes], bits: &[Bit], slopes: &mut [Lanes]) {
        for (q, bit) in bits.iter().enumerate().rev() {
            let (zeros, ones) = values[..2 << q].split_at_mut(1 << q);
            let [f, g] = bit.factors;
            let [df, dg] = bit.slopes;
            let mut slope = [0.0; LANES];
            for ((x, y), p) in zeros.iter_mut().zip(ones.iter()).zip(&products[1 << q..2 << q]) {
                one_turn_at_a_time();
                for k in 0..LANES {
                    let turned = fma::<f64, FMA>(y[k], dg[k], x[k] * df[k]);
                    slope[k] = fma::<f64, FMA>(p[k], turned, slope[k]);
                    x[k] = fma::<f64, FMA>(y[k], g[k], x[k] * f[k]);
                }
            }
            slopes[q] = slope;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that are all different and of no pattern.
    fn number(i: usize) -> f64 {
        ((i * 7919 + 13) % 1009) as f64 / 500.0 - 1.0
    }

    fn lanes(i: usize) -> Lanes {
        std::array::from_fn(|k| number(31 * i + k))
    }

    #[test]
    fn equals_the_sum_over_all_outcomes() {
        // One bit to three, several rows, and 2, 4 and 128 blocks: fewer and more than tasks.
        for n in [1, 2, 3, 6, 7, 9, 13, 14, 15, 20] {
            let table: Vec<f64> = (0..1 << n).map(|z| number(z) + number(z >> 9)).collect();
            let bit = |q| {
                // Products of 20 factors shall neither vanish nor overflow.
                let factor = |i| lanes(4 * q + i).map(|x| 0.4 + 0.3 * x);
                let factors = [factor(0), factor(1)];
                Bit { factors, slopes: [lanes(4 * q + 2), lanes(4 * q + 3)] }
            };
            let bits: Vec<Bit> = (0..n).map(bit).collect();
            let mut room = Room::new(n);
            let found = contract(&table, &bits, &mut room, Threads::Pool);
            let with = |k: usize, turned: Option<usize>| -> f64 {
                let part = |z: usize, q: usize| match Some(q) == turned {
                    true => bits[q].slopes[z >> q & 1][k],
                    false => bits[q].factors[z >> q & 1][k],
                };
                let term = |(z, t): (usize, &f64)| t * (0..n).map(|q| part(z, q)).product::<f64>();
                table.iter().enumerate().map(term).sum()
            };
            for k in [0, 5] {
                // A rounding for each bit, of terms that add up to at most 2.
                assert!((found.value[k] - with(k, None)).abs() < 1e-13, "{n}");
                for q in 0..n {
                    assert!((found.slopes[q][k] - with(k, Some(q))).abs() < 1e-12, "{n}, {q}");
                }
            }
        }
    }
}
