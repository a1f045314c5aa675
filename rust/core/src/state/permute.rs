//! Relabelling outcomes: CX, SWAP and X as one gather over a tile.

use std::sync::OnceLock;

use super::real::Real;
use crate::circuit::LinearMap;
use crate::simd::{MOST_LANES, Mix, Pack, kernel, stream};

/// A map in the form that a gather needs: where each outcome's amplitude comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    source: LinearMap,
    /// What sources are numbers of: one less than a power of two.
    mask: u32,
    /// The source of each outcome of the first tile, without the offset.
    low: Vec<u32>,
    /// For vectors of 4, 8 and 16 lanes, made when first needed.
    mixing: [OnceLock<Option<Mixing>>; 3],
}

impl Gather {
    /// For tiles that are relabelled by themselves: what comes to z comes from `source(z)`, a map that
    /// leaves the bits above a tile's alone.
    pub fn inside(source: LinearMap, tile_qubits: usize) -> Self {
        Self::new(source, tile_qubits, tile_qubits)
    }

    /// For tiles that are filled from the whole of what the map takes.
    pub fn across(source: LinearMap, tile_qubits: usize) -> Self {
        let n_bits = source.n_bits();
        Self::new(source, tile_qubits, n_bits)
    }

    fn new(source: LinearMap, tile_qubits: usize, source_bits: usize) -> Self {
        let mask = ((1u64 << source_bits) - 1) as u32;
        let mut low = vec![0];
        for q in 0..tile_qubits {
            let column = source.linear(1 << q) as u32 & mask;
            low.extend_from_within(..);
            low[1 << q..].iter_mut().for_each(|z| *z ^= column);
        }
        Self { source, mask, low, mixing: Default::default() }
    }

    /// The length of a tile.
    pub fn tile_len(&self) -> usize {
        self.low.len()
    }

    /// The gather by whole vectors of tile number `tile`, to be done together with other work, if the
    /// map moves lanes together and there are registers enough.
    #[inline(always)]
    pub fn by_vectors<T, P: Pack<T>>(&self, tile: usize) -> Option<ByVectors<'_>> {
        let mixing = self.mixing::<T, P>().filter(|_| P::MIXES_IN_PASSING)?;
        Some(ByVectors { mixing, offset: self.offset(tile) })
    }

    #[inline(always)]
    fn mixing<T, P: Pack<T>>(&self) -> Option<&Mixing> {
        if !P::MIXES {
            return None;
        }
        self.mixing[P::LOG - 2].get_or_init(|| Mixing::new(&self.low, P::LOG)).as_ref()
    }

    /// Writes tile number `tile` of what `from` becomes.
    pub fn run<T: Real>(&self, from: &[T], to: &mut [T], tile: usize) {
        assert!(from.len() > self.mask as usize && to.len() == self.low.len());
        run(self, from, to, self.offset(tile));
    }

    /// The same to rows that make up a tile, past the caches if it `is_streamed`.
    pub fn run_by_rows<'a, T: Real>(
        &self,
        from: &[T],
        mut rows: impl Iterator<Item = &'a mut [T]>,
        tile: usize,
        is_streamed: bool,
    ) {
        assert!(from.len() > self.mask as usize);
        run_by_rows(self, from, &mut rows, tile, is_streamed);
    }

    fn offset(&self, tile: usize) -> u32 {
        self.source.apply((tile * self.low.len()) as u64) as u32 & self.mask
    }
}

kernel! {
    fn run<T as P>(gather: &Gather, from: &[T], to: &mut [T], offset: u32) {
        if let Some(mixing) = gather.mixing::<T, P>().filter(|mixing| !mixing.units.is_empty()) {
            return mixing.run::<T, P>(from, to, offset);
        }
        one_by_one(&gather.low, from, to, offset);
    }
}

#[inline(always)]
fn one_by_one<T: Copy>(low: &[u32], from: &[T], to: &mut [T], offset: u32) {
    for (to, low) in to.iter_mut().zip(low) {
        // SAFETY: `low` and `offset` are under the gather's mask, and `from` is longer.
        *to = unsafe { *from.get_unchecked((low ^ offset) as usize) };
    }
}

kernel! {
    fn run_by_rows<T as P>(
        gather: &Gather,
        from: &[T],
        rows: &mut dyn Iterator<Item = &mut [T]>,
        tile: usize,
        is_streamed: bool,
    ) {
        let vectors = gather.by_vectors::<T, P>(tile);
        let offset = gather.offset(tile);
        let mut left = &gather.low[..];
        for row in rows {
            let first = gather.low.len() - left.len();
            let (low, others) = left.split_at(row.len());
            left = others;
            match vectors {
                Some(vectors) if row.len().is_multiple_of(1 << P::LOG) => {
                    for (i, out) in row.chunks_exact_mut(1 << P::LOG).enumerate() {
                        // SAFETY: `from` has all sources, and a tile has this row.
                        let x: P = unsafe { vectors.load(from.as_ptr(), (first >> P::LOG) + i) };
                        if is_streamed {
                            let mut line = [T::ZERO; MOST_LANES];
                            // SAFETY: no pack has more lanes.
                            unsafe { x.store(line.as_mut_ptr()) };
                            stream(out, &line[..1 << P::LOG]);
                        } else {
                            // SAFETY: a vector's room.
                            unsafe { x.store(out.as_mut_ptr()) };
                        }
                    }
                }
                _ => one_by_one(low, from, row, offset),
            }
        }
    }
}

/// How vectors are filled, where their lanes come from no more than two vectors, as they do for
/// chains of gates between neighbours.
#[derive(Debug, Clone, PartialEq)]
struct Mixing {
    /// Where the first lane of each vector comes from.
    starts: Vec<u32>,
    /// What separates the two vectors' numbers.
    apart: usize,
    /// The order of their lanes, for each lane that the first one may come from.
    mixes: Vec<Mix>,
    /// What separates a vector from the other one that is filled from the same two; 0 if it is alone.
    partner: usize,
    /// The order of the partner's lanes.
    of_partner: Vec<Mix>,
    /// For each lane that the first one may come from, the vectors, one of two partners, for which it
    /// does: where that lane's vector is, and they. None if partners are not in the same tile.
    units: Vec<Vec<[u32; 2]>>,
}

impl Mixing {
    fn new(low: &[u32], log: usize) -> Option<Self> {
        let lanes = 1 << log;
        let first = low.get(..lanes)?;
        let vector = |source: u32| (source >> log) as usize;
        let apart = first.iter().map(|s| vector(*s)).find(|v| *v != 0).unwrap_or(0);
        if !first.iter().all(|s| vector(*s) == 0 || vector(*s) == apart) {
            return None;
        }
        let mixes = |moved: u32| {
            let within = |s: u32| s % lanes as u32 + if vector(s) == 0 { 0 } else { lanes as u32 };
            let mix = |swap| Mix::new(log, |lane| within(first[lane] ^ moved) ^ swap);
            (0..lanes as u32).map(mix).collect()
        };
        let starts: Vec<u32> = low.iter().step_by(lanes).copied().collect();
        let is_partner = |i: &usize| apart != 0 && [0, apart].contains(&vector(starts[*i]));
        let partner = (1..starts.len()).find(is_partner);
        let mut units = Vec::new();
        if apart == 0 || partner.is_some() {
            units.resize(lanes, Vec::new());
            for i in (0..starts.len()).filter(|i| i ^ partner.unwrap_or(0) >= *i) {
                let lane = starts[i] % lanes as u32;
                units[lane as usize].push([starts[i] - lane, (i << log) as u32]);
            }
        }
        Some(Self {
            apart,
            mixes: mixes(0),
            of_partner: mixes(partner.map_or(0, |i| starts[i])),
            partner: partner.unwrap_or(0) << log,
            starts,
            units,
        })
    }

    /// Writes a tile.
    #[inline(always)]
    fn run<T: Real, P: Pack<T>>(&self, from: &[T], to: &mut [T], offset: u32) {
        let lane = offset as usize % (1 << P::LOG);
        let (offset, apart) = (offset - lane as u32, self.apart << P::LOG);
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        for (first, units) in self.units.iter().enumerate() {
            let swap = first ^ lane;
            let (own, of_partner) = (P::order(&self.mixes[swap]), P::order(&self.of_partner[swap]));
            for [start, place] in units {
                let (start, place) = ((start ^ offset) as usize, *place as usize);
                // SAFETY: sources and places are a tile's, and vectors start there.
                unsafe {
                    let a = P::load(from.add(start));
                    if apart == 0 {
                        a.arrange(own).store(to.add(place));
                        continue;
                    }
                    let b = P::load(from.add(start ^ apart));
                    a.mix(b, own).store(to.add(place));
                    a.mix(b, of_partner).store(to.add(place ^ self.partner));
                }
            }
        }
    }
}

/// A tile's gather by whole vectors.
#[derive(Clone, Copy)]
pub struct ByVectors<'a> {
    mixing: &'a Mixing,
    offset: u32,
}

impl ByVectors<'_> {
    /// What belongs into vector number `vector` of the relabelled tile.
    ///
    /// # Safety
    /// `from` must be what the gather was made for, and a tile have such a vector.
    #[inline(always)]
    pub unsafe fn load<T, P: Pack<T>>(&self, from: *const T, vector: usize) -> P {
        debug_assert!(vector < self.mixing.starts.len());
        // SAFETY: sources are outcomes of the tile, and there is a mix for each lane.
        unsafe {
            let start = (*self.mixing.starts.get_unchecked(vector) ^ self.offset) as usize;
            let mix = self.mixing.mixes.get_unchecked(start & ((1 << P::LOG) - 1));
            let first = start >> P::LOG;
            let a = P::load(from.add(first << P::LOG));
            let b = P::load(from.add((first ^ self.mixing.apart) << P::LOG));
            a.mix(b, P::order(mix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A few controlled NOTs, most of them on the lowest bits, and a NOT.
    fn some_map(n_bits: usize, seed: usize) -> LinearMap {
        let mut map = LinearMap::identity(n_bits);
        let mut state = seed as u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for i in 0..seed % 7 {
            let below = if i % 3 == 0 { n_bits } else { n_bits.min(5) };
            let control = draw(below);
            map.add(control, (control + 1 + draw(n_bits - 1)) % n_bits);
        }
        if seed.is_multiple_of(3) {
            map.flip(draw(n_bits));
        }
        map
    }

    fn check<T: Real>(gather: &Gather, map: &LinearMap, n_tiles: usize, is_inside: bool) {
        let len = gather.tile_len();
        let from: Vec<T> = (0..=gather.mask).map(|z| T::from_f64(f64::from(z))).collect();
        for tile in 0..n_tiles {
            let source = |z: usize| {
                let source = map.apply((tile * len + z) as u64) as usize;
                T::from_f64((if is_inside { source % len } else { source }) as f64)
            };
            let expected: Vec<T> = (0..len).map(source).collect();
            let mut found = vec![T::ZERO; len];
            gather.run(&from, &mut found, tile);
            assert!(found == expected, "{map:?}, tile {tile}");
            found.fill(T::ZERO);
            let rows = found.chunks_mut(len.min(16));
            gather.run_by_rows(&from, rows, tile, false);
            assert!(found == expected, "{map:?}, tile {tile} by rows");
        }
    }

    #[test]
    fn everything_comes_from_where_the_map_says() {
        for seed in 0..400 {
            let n_bits = 2 + seed / 7 % 8;
            let map = some_map(n_bits, seed);
            let inside = Gather::inside(map.clone(), n_bits);
            check::<f64>(&inside, &map, 1, true);
            check::<f32>(&inside, &map, 1, true);
            let across = Gather::across(map.clone(), n_bits - n_bits / 3);
            check::<f64>(&across, &map, 1 << (n_bits / 3), false);
            check::<f32>(&across, &map, 1 << (n_bits / 3), false);
        }
    }
}
