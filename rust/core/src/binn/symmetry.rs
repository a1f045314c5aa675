//! Networks of different weights that are the same function.
//!
//! The units of a hidden layer can be permuted, and some settings of the weights of a unit can be
//! exchanged for others: with an odd activation all of them can change their sign together; with
//! the sign activation, weights into a unit can be exchanged for others that give the same
//! activation at every point. So most networks of a small shape are equal to a representative of
//! theirs, and only representatives need to be evaluated.

use std::collections::HashMap;

use super::first_layer::GROUP;
use super::half_spaces::HalfSpaces;
use super::inference::TILE_POINTS;
use super::points::Tile;
use super::{Activation, Network};

/// Weights of a unit, into it and out of it, up to which its settings are listed.
const MAX_CODE_BITS: usize = 12;

/// The settings of the units of the first hidden layer, in networks of at most 64 weights.
///
/// The code of a unit has the bits of the weights into it, the first input's lowest, and above them
/// those of the weights out of it.
pub(super) struct Units {
    fan_in: usize,
    n_outputs: usize,
    pub n_units: usize,
    /// For each code, the one that represents it.
    pub representative: Vec<u16>,
}

impl Units {
    /// What the form of the network alone allows; `None` if nothing, or if a unit has many settings.
    pub fn new(network: &Network) -> Option<Self> {
        let first = network.activations().first();
        let odd = matches!(first, Some(Activation::Tanh | Activation::Identity));
        let units = Self::distinct(network)?;
        let mask = (1 << units.code_bits()) - 1;
        let of = |code: u16| if odd && code & 1 == 1 { !code & mask } else { code };
        let representative = units.representative.iter().map(|&code| of(code)).collect();
        (odd || units.n_units > 1).then_some(Self { representative, ..units })
    }

    /// The same, and with the sign activation what the points `x`, row-major, allow.
    pub fn at_points(network: &Network, x: &[f64]) -> Option<Self> {
        if network.activations().first() != Some(&Activation::Sign)
            || network.dense[0].fan_in > GROUP
        {
            return Self::new(network);
        }
        let mut units = Self::distinct(network)?;
        let twins = twins(network, x);
        let all_outputs = (1 << units.n_outputs) - 1;
        for (code, representative) in units.representative.iter_mut().enumerate() {
            let (setting, outputs) = (code & (twins.len() - 1), code >> units.fan_in);
            let (twin, opposite) = twins[setting];
            let outputs = if opposite { outputs ^ all_outputs } else { outputs };
            *representative = (outputs << units.fan_in | twin) as u16;
        }
        Some(units)
    }

    /// Every code stands for itself.
    fn distinct(network: &Network) -> Option<Self> {
        let [first, second, ..] = network.dense[..] else { return None };
        let units = Self {
            fan_in: first.fan_in,
            n_outputs: second.n_units,
            n_units: first.n_units,
            representative: Vec::new(),
        };
        let fits = units.code_bits() <= MAX_CODE_BITS && network.n_weights() <= 64;
        fits.then(|| Self { representative: (0..1 << units.code_bits()).collect(), ..units })
    }

    fn code_bits(&self) -> usize {
        self.fan_in + self.n_outputs
    }

    /// Weights in all codes together: the lowest bits of a row. Above them are the other biases and
    /// layers.
    pub fn n_bits(&self) -> usize {
        self.code_bits() * self.n_units
    }

    /// The code of a unit in a network.
    #[inline(always)]
    pub fn code(&self, row: u64, unit: usize) -> usize {
        let bit = |position: usize| (row >> position & 1) as usize;
        let outputs = self.fan_in * self.n_units + unit * self.n_outputs;
        let code = (0..self.fan_in).fold(0, |code, i| code | bit(i * self.n_units + unit) << i);
        (0..self.n_outputs).fold(code, |code, k| code | bit(outputs + k) << (self.fan_in + k))
    }

    /// The lowest bits of the network whose units have these codes.
    pub fn row(&self, codes: &[u16]) -> u64 {
        let mut row = 0;
        for (unit, &code) in codes.iter().enumerate() {
            let bit = |i: usize| u64::from(code >> i & 1);
            let outputs = self.fan_in * self.n_units + unit * self.n_outputs;
            (0..self.fan_in).for_each(|i| row |= bit(i) << (i * self.n_units + unit));
            (0..self.n_outputs).for_each(|k| row |= bit(self.fan_in + k) << (outputs + k));
        }
        row
    }

    /// The representative of a network: that of each unit, in ascending order of their codes.
    pub fn representative(&self, row: u64) -> u64 {
        let mut codes = [0; 64];
        let codes = &mut codes[..self.n_units];
        for (unit, code) in codes.iter_mut().enumerate() {
            *code = self.representative[self.code(row, unit)];
        }
        codes.sort_unstable();
        let others = row.checked_shr(self.n_bits() as u32).unwrap_or(0);
        self.row(codes) | others.checked_shl(self.n_bits() as u32).unwrap_or(0)
    }
}

/// For each setting of the weights into a sign unit, the first one whose activation is the same at all
/// points, or the opposite at all points, and whether it is the opposite.
fn twins(network: &Network, x: &[f64]) -> Vec<(usize, bool)> {
    let n_settings = 1 << network.dense[0].fan_in;
    let mut activations = vec![Vec::new(); n_settings];
    let mut valid = Vec::new();
    for rows in x.chunks(TILE_POINTS * network.n_inputs()) {
        let tile = Tile::new(network, rows);
        let halves = HalfSpaces::all(network, &tile);
        activations.iter_mut().zip(halves).for_each(|(all, half)| all.extend(half));
        valid.extend(tile.mask());
    }
    let mut first = HashMap::new();
    let twin = |(setting, mut bits): (usize, Vec<u64>)| {
        // Of a setting and its opposite, the one that is +1 at the first point.
        let flipped = bits[0] & 1 == 1;
        if flipped {
            bits.iter_mut().zip(&valid).for_each(|(bits, valid)| *bits ^= valid);
        }
        let (twin, twin_flipped) = *first.entry(bits).or_insert((setting, flipped));
        (twin, flipped != twin_flipped)
    };
    activations.into_iter().enumerate().map(twin).collect()
}
