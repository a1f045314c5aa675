//! All networks of a shape, and which of them are the same function.

use super::Network;
use super::symmetry::Units;
use crate::bits::PackedBits;
use crate::error::Result;
use crate::memory;

/// The representatives of all networks: one for each multiset of codes of the first hidden layer's
/// units together with each setting of the other weights.
///
/// Which multiset a network has is found unit by unit: `join` leads from the multiset of the units so
/// far and the code of the next one to that of both. Networks that differ only in the lowest bits,
/// one a unit, share most of this.
pub(super) struct Orbits {
    units: Units,
    n_weights: usize,
    /// The codes that represent others, ascending.
    codes: Vec<u16>,
    /// For each code, the place of its representative in `codes`.
    class: Vec<u32>,
    /// For each number of units before, multiset * classes + class -> multiset with one more.
    join: Vec<Vec<u32>>,
    /// For each number of units, the multisets of so many: what is left without the largest class, and
    /// that class.
    multisets: Vec<Vec<(u32, u32)>>,
}

impl Orbits {
    /// `None` if there would be no fewer representatives than networks.
    pub fn new(network: &Network, units: Units) -> Result<Option<Self>> {
        let mut codes = units.representative.clone();
        codes.sort_unstable();
        codes.dedup();
        let rank = |code: &u16| codes.partition_point(|other| other < code) as u32;
        let class = units.representative.iter().map(rank).collect();
        let n_rest = 1usize << (network.n_weights() - units.n_bits());
        let count = count_multisets(codes.len(), units.n_units, 1 << units.n_bits());
        let Some(n_multisets) = count.filter(|&n| u32::try_from(n * n_rest).is_ok()) else {
            return Ok(None);
        };
        // Multisets and how they join, then the representatives and a number for each.
        let bytes = n_multisets * (8 + 4 * units.n_units) + n_multisets * n_rest * 16;
        memory::check(
            "what equal networks share",
            bytes as u64,
            "use a network with fewer weights",
        )?;
        let n_weights = network.n_weights();
        let multisets = vec![vec![(0, 0)]];
        let mut orbits = Self { units, n_weights, codes, class, join: Vec::new(), multisets };
        (0..orbits.units.n_units).for_each(|_| orbits.add_unit());
        Ok(Some(orbits))
    }

    /// The multisets of one unit more.
    fn add_unit(&mut self) {
        let n_classes = self.codes.len();
        let old = &self.multisets[self.join.len()];
        let mut join = vec![0; old.len() * n_classes];
        let mut new = Vec::new();
        for (m, &(_, largest)) in old.iter().enumerate() {
            for class in largest..n_classes as u32 {
                join[m * n_classes + class as usize] = new.len() as u32;
                new.push((m as u32, class));
            }
        }
        // A class below the largest joins the others first.
        if let Some(before) = self.join.last() {
            for (m, &(others, largest)) in old.iter().enumerate() {
                for class in 0..largest as usize {
                    let joined = before[others as usize * n_classes + class] as usize;
                    join[m * n_classes + class] = join[joined * n_classes + largest as usize];
                }
            }
        }
        self.join.push(join);
        self.multisets.push(new);
    }

    /// Number of networks, from a multiple of it, that [`Self::places`] finds together.
    pub fn block(&self) -> usize {
        1 << self.units.n_units
    }

    /// The representatives.
    pub fn representatives(&self) -> PackedBits {
        let n_units = self.units.n_units;
        let mut codes = vec![0; n_units];
        let multiset = |m: usize| {
            let mut m = m;
            for unit in (0..n_units).rev() {
                let (others, largest) = self.multisets[unit + 1][m];
                (m, codes[unit]) = (others as usize, self.codes[largest as usize]);
            }
            self.units.row(&codes)
        };
        let low: Vec<u64> = (0..self.multisets[n_units].len()).map(multiset).collect();
        let n_rest = 1u64 << (self.n_weights - self.units.n_bits());
        let with_rest = |rest: u64| low.iter().map(move |row| row | rest << self.units.n_bits());
        PackedBits::from_indices((0..n_rest).flat_map(with_rest), self.n_weights)
    }

    /// For networks start, start + 1, ..., as many as a block has, the places of their representatives.
    pub fn places(&self, start: usize, out: &mut [u32]) {
        let n_classes = self.codes.len();
        let rest = start >> self.units.n_bits();
        out[0] = 0;
        for (unit, join) in self.join.iter().enumerate() {
            let code = self.units.code(start as u64, unit);
            let (plus, minus) = (self.class[code] as usize, self.class[code | 1] as usize);
            let (low, high) = out[..2 << unit].split_at_mut(1 << unit);
            for (low, high) in low.iter_mut().zip(high) {
                let joined = &join[*low as usize * n_classes..][..n_classes];
                (*low, *high) = (joined[plus], joined[minus]);
            }
        }
        let first = (rest * self.multisets[self.units.n_units].len()) as u32;
        out.iter_mut().for_each(|place| *place += first);
    }
}

/// The number of multisets of `size` out of `n_classes`; `None` unless it is below `limit`.
fn count_multisets(n_classes: usize, size: usize, limit: usize) -> Option<usize> {
    let mut count = 1;
    for i in 0..size {
        count = count * (n_classes + i) / (i + 1);
        if count >= limit {
            return None;
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binn::{Activation, Likelihood};

    #[test]
    fn a_small_network_has_few_representatives_and_each_stands_for_its_own() {
        // Multisets of 5 units out of 8 (up to their sign), or of 16 where signs matter, and a bias.
        for (activation, n) in [(Activation::Tanh, 2 * 792), (Activation::Relu, 2 * 15504)] {
            let network =
                Network::new(&[2, 5, 1], activation, true, 1.0, Likelihood::Bernoulli).unwrap();
            let orbits = Orbits::new(&network, Units::new(&network).unwrap()).unwrap().unwrap();
            let rows = orbits.representatives();
            assert_eq!(rows.len(), n);
            let units = Units::new(&network).unwrap();
            let mut places = vec![0; orbits.block()];
            for start in (0..1 << 21).step_by(32 * 611) {
                orbits.places(start, &mut places);
                for (z, place) in (start as u64..).zip(&places) {
                    assert_eq!(rows.row(*place as usize), [units.representative(z)]);
                }
            }
        }
    }

    #[test]
    fn sign_units_that_are_opposite_at_all_points_are_one() {
        let new = |activation| {
            Network::new(&[2, 5, 1], activation, true, 1.0, Likelihood::Bernoulli).unwrap()
        };
        let n_representatives = |x: &[f64]| {
            let network = new(Activation::Sign);
            let units = Units::at_points(&network, x).unwrap();
            Orbits::new(&network, units).unwrap().unwrap().representatives().len()
        };
        // Four pairs of opposite half-planes, and as with tanh 8 units up to their sign.
        let x: Vec<f64> = (0..140).map(|i| 2.0 * f64::from(i).sin()).collect();
        assert_eq!(n_representatives(&x), 2 * 792);
        // Close to 0 only the bias matters: 2 units.
        assert_eq!(n_representatives(&[0.1, 0.2, -0.3, 0.1]), 2 * 6);
        // On the line of a tie, opposite weights are both +1: 3 pairs and 2 settings alone.
        assert_eq!(n_representatives(&[&x[..], &[0.5, 0.5]].concat()), 2 * 2002);
    }
}
