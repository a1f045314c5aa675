//! Relabelling outcomes: CX, SWAP and X as one gather over a tile.

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
    /// For vectors of 8 and of 16 lanes.
    mixing: [Option<Mixing>; 2],
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
        let mixing = [3, 4].map(|log| Mixing::new(&low, log));
        Self { source, mask, low, mixing }
    }

    /// The length of a tile.
    pub fn tile_len(&self) -> usize {
        self.low.len()
    }

    /// The gather by whole vectors of tile number `tile`, if the map moves lanes together and the
    /// processor has an instruction for it.
    #[inline(always)]
    pub fn by_vectors<T, P: Pack<T>>(&self, tile: usize) -> Option<ByVectors<'_>> {
        if !P::MIXES {
            return None;
        }
        let mixing = self.mixing[P::LOG - 3].as_ref()?;
        Some(ByVectors { mixing, offset: self.offset(tile) })
    }

    /// Writes tile number `tile` of what `from` becomes to rows that make up a tile, past the caches if
    /// it `is_streamed`.
    pub fn run<'a, T: Real>(
        &self,
        from: &[T],
        mut rows: impl Iterator<Item = &'a mut [T]>,
        tile: usize,
        is_streamed: bool,
    ) {
        assert!(from.len() > self.mask as usize);
        run(self, from, &mut rows, tile, is_streamed);
    }

    fn offset(&self, tile: usize) -> u32 {
        self.source.apply((tile * self.low.len()) as u64) as u32 & self.mask
    }
}

kernel! {
    fn run<T as P>(
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
                _ => {
                    for (amplitude, low) in row.iter_mut().zip(low) {
                        // SAFETY: `low` and `offset` are under the mask, and `from` is longer.
                        *amplitude = unsafe { *from.get_unchecked((low ^ offset) as usize) };
                    }
                }
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
}

impl Mixing {
    fn new(low: &[u32], log: usize) -> Option<Self> {
        let lanes = 1 << log;
        let first = low.get(..lanes)?;
        let vector = |source: u32| (source >> log) as usize;
        let apart = first.iter().map(|s| vector(*s)).find(|v| *v != 0).unwrap_or(0);
        let two = first.iter().all(|s| vector(*s) == 0 || vector(*s) == apart);
        let within = |s: u32| s % lanes as u32 + if vector(s) == 0 { 0 } else { lanes as u32 };
        let mix = |swap| Mix::new(log, |lane| within(first[lane]) ^ swap);
        two.then(|| Self {
            starts: low.iter().step_by(lanes).copied().collect(),
            apart,
            mixes: (0..lanes as u32).map(mix).collect(),
        })
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
            a.mix(b, mix)
        }
    }
}
