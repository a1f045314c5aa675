//! Bernoulli likelihoods of networks whose logit is a sum of terms that depend on few weights each.
//!
//! Such are networks without a hidden layer (a term: some inputs) and small ones with one (a term: a
//! hidden unit with the weights into it and out of it). Then exp(logit) is a product of
//! exponentials, and each of these has few values, which many networks share. With tables of them a
//! point costs one multiplication a factor, and no exponential or logarithm.

use super::points::Tile;
use super::sums::accumulate;
use super::{Activation, Network};
use crate::simd::kernel;
use crate::state::fma;

/// Weights that a factor may depend on: its table has 2^MAX_BITS rows.
const MAX_BITS: usize = 8;
/// A network that is alone takes one exponential a factor: more of them would not pay.
const MAX_FACTORS: usize = 8;
/// Factors that are multiplied in registers; others are multiplied beforehand.
const MAX_AT_ONCE: usize = 4;
/// Largest |logit|: numbers up to its exponential can be multiplied twice before they overflow.
const MAX_LOGIT: f64 = 300.0;
/// Logarithm of a number that is safely below the largest.
const LN_LARGEST: f64 = 700.0;
/// Points handled side by side: enough vectors to hide the time that a multiplication takes.
const LANES: usize = 32;

#[derive(Debug, Clone, Copy)]
enum Term {
    /// Some inputs of a network without a hidden layer: the first one and how many.
    Inputs(usize, usize),
    /// A hidden unit.
    Unit(usize),
    /// The bias of the output.
    Bias,
}

/// The exponential of one or more terms.
struct Factor {
    terms: Vec<Term>,
    /// Where its weights are, the one of the lowest bit of a setting first.
    positions: Vec<usize>,
    /// The same as [`settings_by_byte`] has it.
    bytes: Vec<(usize, [u8; 256])>,
    /// Which table is its own: hidden units are all alike, so that many factors share one.
    table: usize,
}

/// A tile of points, ready for any weights.
pub(super) struct Factors<'a> {
    network: &'a Network,
    tile: &'a Tile,
    /// The sign and size by which an output enters the softplus, at each point.
    scales: Vec<f64>,
    factors: Vec<Factor>,
    /// One row a setting, filled up to a multiple of the lanes; empty if they do not pay.
    tables: Vec<Vec<f64>>,
    /// Numbers that a lane multiplies before its exponent is taken out.
    run: usize,
}

impl<'a> Factors<'a> {
    /// Prepares for about `n_networks` networks; `None` if the logit is no sum of few such terms or
    /// its exponential could overflow. `signs` are as in [`super::exponential::sum_softplus`].
    ///
    /// This choice depends on the network and the points only, never on how many networks there are,
    /// so that the same network has the same bits in any company.
    pub fn new(
        network: &'a Network,
        tile: &'a Tile,
        signs: &[f64],
        n_networks: usize,
    ) -> Option<Self> {
        let factors = factors(network)?;
        let largest = network.logit_scale() * largest_output(network, tile);
        if factors.len() > MAX_FACTORS || largest > MAX_LOGIT {
            return None;
        }
        let run = (LN_LARGEST / (largest + std::f64::consts::LN_2)) as usize;
        let scales = signs.iter().map(|sign| sign * network.logit_scale()).collect();
        let mut this = Self { network, tile, scales, factors, tables: Vec::new(), run };
        let n_tables = this.factors.iter().map(|f| f.table + 1).max().unwrap_or(0);
        let owner = |table| this.factors.iter().find(|f| f.table == table);
        let owners: Vec<&Factor> = (0..n_tables).filter_map(owner).collect();
        let n_rows: usize = owners.iter().map(|f| 1 << f.positions.len()).sum();
        if n_rows <= n_networks.saturating_mul(this.factors.len()) {
            this.tables = owners.into_iter().map(|f| this.tabulate(&f.terms)).collect();
        }
        Some(this)
    }

    /// Numbers in a row.
    fn width(&self) -> usize {
        self.tile.n_points.next_multiple_of(LANES)
    }

    /// Room for [`Self::log_likelihood`].
    pub fn scratch(&self) -> Vec<f64> {
        vec![0.0; (self.factors.len() + 2) * self.width()]
    }

    /// Sum over the points of log p(y | network of weights `row`), in nats.
    pub fn log_likelihood(&self, row: &[u64], scratch: &mut [f64]) -> f64 {
        let width = self.width();
        let n_factors = self.factors.len();
        let (product, rest) = scratch.split_at_mut(width);
        let (room, own) = rest.split_at_mut(width);
        let mut rows: [&[f64]; MAX_FACTORS] = [&[]; MAX_FACTORS];
        for ((rows, factor), own) in
            rows.iter_mut().zip(&self.factors).zip(own.chunks_exact_mut(width))
        {
            let setting = factor.setting(row);
            *rows = if let Some(table) = self.tables.get(factor.table) {
                &table[setting * width..(setting + 1) * width]
            } else {
                self.fill_row(&factor.terms, setting, own, room);
                own
            };
        }
        let n_before = n_factors.saturating_sub(MAX_AT_ONCE);
        if n_before > 0 {
            product.copy_from_slice(rows[0]);
            rows[1..=n_before].iter().for_each(|factor| multiply(product, factor));
            rows[n_before] = product;
        }
        -sum_softplus_of_products(&rows[n_before..n_factors], self.run)
    }

    /// The row of one setting of the weights of `terms`.
    fn fill_row(&self, terms: &[Term], mut setting: usize, out: &mut [f64], room: &mut [f64]) {
        for (i, term) in terms.iter().enumerate() {
            if i == 0 {
                self.fill_term(*term, setting, out);
            } else {
                self.fill_term(*term, setting, room);
                multiply(out, room);
            }
            setting >>= term.positions(self.network).len();
        }
    }

    /// The rows of all settings: the same products of the same numbers as in [`Self::fill_row`].
    fn tabulate(&self, terms: &[Term]) -> Vec<f64> {
        let width = self.width();
        let mut table: Vec<f64> = Vec::new();
        for (i, term) in terms.iter().enumerate() {
            let mut own = vec![0.0; width << term.positions(self.network).len()];
            for (setting, row) in own.chunks_exact_mut(width).enumerate() {
                self.fill_term(*term, setting, row);
            }
            if i == 0 {
                table = own;
                continue;
            }
            let mut joint = Vec::with_capacity(table.len() * (own.len() / width));
            for own in own.chunks_exact(width) {
                let start = joint.len();
                joint.extend_from_slice(&table);
                joint[start..].chunks_exact_mut(width).for_each(|row| multiply(row, own));
            }
            table = joint;
        }
        table
    }

    /// exp(scale * term) at each point, and 0 beyond the last: certain points, which add nothing.
    fn fill_term(&self, term: Term, setting: usize, out: &mut [f64]) {
        let (out, beyond) = out.split_at_mut(self.tile.n_points);
        beyond.fill(0.0);
        out.fill(0.0);
        let negative = |i: usize| setting >> i & 1 == 1;
        match term {
            Term::Inputs(start, size) => {
                for i in 0..size {
                    accumulate(out, self.tile.feature(start + i), negative(i));
                }
            }
            Term::Unit(_) => {
                let fan_in = self.network.dense[0].fan_in;
                for i in 0..fan_in {
                    accumulate(out, self.tile.feature(i), negative(i));
                }
                self.network.activations()[0].apply(out);
                if negative(fan_in) {
                    out.iter_mut().for_each(|value| *value = -*value);
                }
            }
            Term::Bias => out.fill(if negative(0) { -1.0 } else { 1.0 }),
        }
        exponentiate(out, &self.scales);
    }
}

impl Factor {
    /// The bits at its positions, put together byte by byte.
    #[inline(always)]
    fn setting(&self, row: &[u64]) -> usize {
        self.bytes.iter().fold(0, |setting, (byte, settings)| {
            setting | usize::from(settings[(row[byte / 8] >> (byte % 8 * 8)) as usize & 255])
        })
    }
}

/// For each byte of a row that has some of the positions: what every value of it adds to a setting.
fn settings_by_byte(positions: &[usize]) -> Vec<(usize, [u8; 256])> {
    let mut bytes: Vec<usize> = positions.iter().map(|position| position / 8).collect();
    bytes.sort_unstable();
    bytes.dedup();
    let of_byte = |byte| {
        let here = positions.iter().enumerate().filter(move |(_, position)| **position / 8 == byte);
        let setting = |value: usize| {
            here.clone().fold(0, |s, (i, position)| s | ((value >> (position % 8) & 1) as u8) << i)
        };
        (byte, std::array::from_fn(setting))
    };
    bytes.into_iter().map(of_byte).collect()
}

impl Term {
    /// The flat positions of its weights.
    fn positions(self, network: &Network) -> Vec<usize> {
        let dense = &network.dense;
        match self {
            Self::Inputs(start, size) => {
                (start..start + size).map(|i| dense[0].position(i, 0)).collect()
            }
            Self::Unit(j) => {
                let inputs = (0..dense[0].fan_in).map(|i| dense[0].position(i, j));
                inputs.chain([dense[1].position(j, 0)]).collect()
            }
            Self::Bias => vec![dense[1].position(dense[1].fan_in - 1, 0)],
        }
    }

    /// Whether the exponentials of two terms have the same table.
    fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Self::Unit(_), Self::Unit(_)) | (Self::Bias, Self::Bias) => true,
            (Self::Inputs(a, _), Self::Inputs(b, _)) => a == b,
            _ => false,
        }
    }
}

/// Cuts the logit into terms and joins those that fit into one table.
fn factors(network: &Network) -> Option<Vec<Factor>> {
    let fan_in = network.dense[0].fan_in;
    let terms: Vec<Term> = match &network.dense[..] {
        [only] if only.n_units == 1 => {
            // Of equal size: the smaller the largest table, the better.
            let size = fan_in.div_ceil(fan_in.div_ceil(MAX_BITS));
            let starts = (0..fan_in).step_by(size);
            starts.map(|start| Term::Inputs(start, size.min(fan_in - start))).collect()
        }
        [first, last] if last.n_units == 1 && fan_in < MAX_BITS => {
            let bias = network.bias().then_some(Term::Bias);
            (0..first.n_units).map(Term::Unit).chain(bias).collect()
        }
        _ => return None,
    };
    let mut factors: Vec<Factor> = Vec::new();
    for term in terms {
        let positions = term.positions(network);
        match factors.last_mut() {
            Some(last) if last.positions.len() + positions.len() <= MAX_BITS => {
                last.terms.push(term);
                last.positions.extend(positions);
            }
            _ => factors.push(Factor { terms: vec![term], positions, bytes: Vec::new(), table: 0 }),
        }
    }
    let mut n_tables = 0;
    for i in 0..factors.len() {
        let (before, factor) = (&factors[..i], &factors[i]);
        let alike = before.iter().find(|other| {
            let mut pairs = other.terms.iter().zip(&factor.terms);
            other.terms.len() == factor.terms.len() && pairs.all(|(a, b)| a.is_like(*b))
        });
        let bytes = settings_by_byte(&factor.positions);
        factors[i].table = alike.map_or(n_tables, |other| other.table);
        factors[i].bytes = bytes;
        n_tables = n_tables.max(factors[i].table + 1);
    }
    Some(factors)
}

/// A bound on |output| at all points and for all weights.
fn largest_output(network: &Network, tile: &Tile) -> f64 {
    let fan_in = network.dense[0].fan_in;
    let size = |d: usize| (0..fan_in).map(|i| tile.feature(i)[d].abs()).sum::<f64>();
    let sum = (0..tile.n_points).map(size).fold(0.0, f64::max);
    let Some(activation) = network.activations().first() else { return sum };
    let unit = match activation {
        Activation::Sign | Activation::Tanh | Activation::Sigmoid => 1.0,
        Activation::Relu | Activation::Identity => sum,
    };
    network.dense[0].n_units as f64 * unit + f64::from(u8::from(network.bias()))
}

kernel! {
    fn multiply(product: &mut [f64], factor: &[f64]) {
        product.iter_mut().zip(factor).for_each(|(product, factor)| *product *= factor);
    }
}

kernel! {
    /// Replaces values by exp(scale * value).
    fn exponentiate(values: &mut [f64], scales: &[f64]) {
        for (value, scale) in values.iter_mut().zip(scales) {
            *value = super::exponential::exp::<FMA>(*value * scale);
        }
    }
}

kernel! {
    /// sum_d ln(1 + product over rows of row_d), with one logarithm of the product of all.
    fn sum_softplus_of_products(rows: &[&[f64]], run: usize) -> f64 {
        match *rows {
            [a] => sum_of_rows::<FMA, 0>(a, [], run),
            [a, b] => sum_of_rows::<FMA, 1>(a, [b], run),
            [a, b, c] => sum_of_rows::<FMA, 2>(a, [b, c], run),
            [a, b, c, d] => sum_of_rows::<FMA, 3>(a, [b, c, d], run),
            _ => unreachable!("from 1 to {MAX_AT_ONCE} factors"),
        }
    }
}

#[inline(always)]
fn sum_of_rows<const FMA: bool, const MORE: usize>(
    first: &[f64],
    more: [&[f64]; MORE],
    run: usize,
) -> f64 {
    const MANTISSA: u64 = (1 << 52) - 1;
    let mut product = [1.0f64; LANES];
    let mut exponents = [0u64; LANES];
    let mut n_exponents = 0;
    for (i, first) in first.as_chunks::<LANES>().0.chunks(run).enumerate() {
        let start = i * run;
        let more = more.map(|row| &row.as_chunks::<LANES>().0[start..start + first.len()]);
        product = multiply_run::<FMA, MORE>(product, first, more);
        // Every number is at least 1: its exponent is what stands above the mantissa.
        for k in 0..LANES {
            exponents[k] += product[k].to_bits() >> 52;
            product[k] = f64::from_bits(product[k].to_bits() & MANTISSA | 1.0f64.to_bits());
        }
        n_exponents += 1023 * LANES as u64;
    }
    // Numbers below 2, as many as lanes. Quarters meet first: no multiplication waits for long.
    let product: [f64; LANES / 4] = std::array::from_fn(|k| {
        let [a, b, c, d] = std::array::from_fn(|quarter| product[k + quarter * LANES / 4]);
        (a * b) * (c * d)
    });
    let exponent = (exponents.iter().sum::<u64>() - n_exponents) as f64;
    fma::<f64, FMA>(exponent, std::f64::consts::LN_2, product.iter().product::<f64>().ln())
}

/// Multiplies `product` by 1 + (product over rows). An array that comes and goes by value stays in
/// registers.
#[inline(always)]
fn multiply_run<const FMA: bool, const MORE: usize>(
    mut product: [f64; LANES],
    first: &[[f64; LANES]],
    more: [&[[f64; LANES]]; MORE],
) -> [f64; LANES] {
    for (c, first) in first.iter().enumerate() {
        let more = more.map(|row| &row[c]);
        for k in 0..LANES {
            let mut t = first[k];
            for row in more.iter().take(MORE.saturating_sub(1)) {
                t *= row[k];
            }
            let factor = match more.last() {
                Some(last) => fma::<f64, FMA>(t, last[k], 1.0),
                None => 1.0 + t,
            };
            product[k] *= factor;
        }
    }
    product
}
