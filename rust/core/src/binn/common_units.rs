//! Units of the second layer that networks have in common.
//!
//! Units of a small first layer are few functions of a point, some of them others with a minus, and a
//! sum of the second layer depends on nothing but how often it adds or subtracts each. Thousands of
//! networks have so few different units that all of them can be evaluated before the networks are.
//! Sums are always taken function by function, so that this changes the time and never the bits.

use super::network::Dense;
use super::sums::sum_terms;
use super::{Activation, Network};
use crate::bits::bit;

/// Settings of a first unit's weights: more functions make too many sums.
const MAX_SETTINGS: usize = 16;
/// Sums of a second layer up to which they are told apart by number.
const MAX_CODES: usize = 1 << 18;
/// Values of more units would not be read from cache.
const MAX_UNITS: usize = 1 << 13;
/// Units for each different one from which on these are evaluated by themselves.
const WORTHWHILE: usize = 4;

/// The sums of a second layer, by number: the lowest digits say how often each function is added.
pub(super) struct Sums {
    first: Dense,
    second: Dense,
    activation: Activation,
    /// For each setting of a first unit, what adding it adds to the number of a sum.
    steps: Vec<i32>,
    /// The settings that are functions of their own, not others with a minus.
    functions: Vec<usize>,
    /// Where sums whose bias is -1 begin.
    n_codes: i32,
}

impl Sums {
    /// `None` if there is no second hidden layer, or too many sums.
    pub fn new(network: &Network) -> Option<Self> {
        let [first, second, _, ..] = network.dense[..] else { return None };
        let [before, activation, ..] = network.activations()[..] else { return None };
        let is_odd = matches!(before, Activation::Tanh | Activation::Identity);
        let n_settings = 1usize.checked_shl(first.fan_in as u32).filter(|n| *n <= MAX_SETTINGS)?;
        let functions: Vec<usize> = (0..n_settings).step_by(1 + usize::from(is_odd)).collect();
        let base = 2 * first.n_units + 1;
        let n_codes = base.checked_pow(functions.len() as u32).filter(|n| *n <= MAX_CODES)? as i32;
        let mut steps = vec![0; n_settings];
        for (place, setting) in functions.iter().enumerate() {
            steps[*setting] = base.pow(place as u32) as i32;
            if is_odd {
                // All weights of the other sign.
                steps[n_settings - 1 - setting] = -steps[*setting];
            }
        }
        Some(Self { first, second, activation, steps, functions, n_codes })
    }

    /// The numbers of the sums of all units in the network of weights `row`.
    pub fn codes(&self, row: &[u64], steps: &mut Vec<i32>, codes: &mut Vec<usize>) {
        let weight = |matrix: &Dense, input, unit| bit(row, matrix.position(input, unit));
        steps.clear();
        steps.extend((0..self.first.n_units).map(|unit| {
            let bits =
                (0..self.first.fan_in).map(|i| usize::from(weight(&self.first, i, unit)) << i);
            self.steps[bits.sum::<usize>()]
        }));
        codes.clear();
        codes.extend((0..self.second.n_units).map(|unit| {
            // Every function as often added as subtracted.
            let mut code = self.n_codes / 2;
            for (input, step) in steps.iter().enumerate() {
                code += if weight(&self.second, input, unit) { -step } else { *step };
            }
            let has_bias = self.second.fan_in > steps.len();
            let is_minus = has_bias && weight(&self.second, steps.len(), unit);
            (code + if is_minus { self.n_codes } else { 0 }) as usize
        }));
    }

    /// The values of the unit whose sum has this number; `table` has those of all first units.
    pub fn evaluate(
        &self,
        code: usize,
        table: &[f64],
        terms: &mut Vec<(usize, f64)>,
        out: &mut [f64],
    ) {
        let n_codes = self.n_codes as usize;
        let base = 2 * self.first.n_units + 1;
        let (is_minus, mut digits) = (code >= n_codes, code % n_codes);
        terms.clear();
        for setting in &self.functions {
            let times = (digits % base) as f64 - self.first.n_units as f64;
            digits /= base;
            if times != 0.0 {
                terms.push((setting * out.len(), times));
            }
        }
        let bias = match self.second.fan_in - self.first.n_units {
            0 => 0.0,
            _ if is_minus => -1.0,
            _ => 1.0,
        };
        sum_terms(table, terms, bias, out);
        self.activation.apply(out);
    }
}

/// The different units in the second layers of some networks.
pub(super) struct CommonUnits {
    /// For each number of a sum, its place in `codes`.
    places: Vec<u32>,
    pub codes: Vec<usize>,
}

impl CommonUnits {
    /// `None` if the units are too many, or few of them in several networks.
    pub fn new<'a>(network: &Network, rows: impl Iterator<Item = &'a [u64]>) -> Option<Self> {
        let sums = Sums::new(network)?;
        let mut places = vec![u32::MAX; 2 * sums.n_codes as usize];
        let (mut codes, mut n_units) = (Vec::new(), 0);
        let (mut steps, mut of_row) = (Vec::new(), Vec::new());
        for row in rows {
            sums.codes(row, &mut steps, &mut of_row);
            n_units += of_row.len();
            for code in &of_row {
                if places[*code] == u32::MAX {
                    places[*code] = codes.len() as u32;
                    codes.push(*code);
                }
            }
        }
        let pays = codes.len() <= MAX_UNITS && codes.len() * WORTHWHILE <= n_units;
        pays.then_some(Self { places, codes })
    }

    /// Where the unit of this number stands.
    #[inline(always)]
    pub fn place(&self, code: usize) -> usize {
        self.places[code] as usize
    }
}
