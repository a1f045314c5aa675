//! Relabelling outcomes: CX, SWAP and X as one gather over a tile.

use super::real::Real;
use crate::circuit::LinearMap;
use crate::simd::{Level, kernel, level};

/// A map in the form that a gather needs: where each outcome's amplitude comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    source: LinearMap,
    /// The source of each outcome of the first tile, without the offset.
    low: Vec<u32>,
    /// Every eighth of these, for whole vectors.
    starts: Vec<u32>,
}

impl Gather {
    /// For amplitudes that go from z to `map(z)`, a map that leaves the bits above the tile's alone.
    pub fn new(map: &LinearMap, tile_qubits: usize) -> Self {
        let source = map.inverse();
        let mut low = vec![0];
        for q in 0..tile_qubits {
            let column = source.linear(1 << q) as u32;
            low.extend_from_within(..);
            low[1 << q..].iter_mut().for_each(|z| *z ^= column);
        }
        let starts = low.iter().step_by(8).copied().collect();
        Self { source, low, starts }
    }

    /// Writes the relabelled tile `from`, which is number `tile`, to `to`.
    pub fn run<T: Real>(&self, from: &[T], to: &mut [T], tile: usize) {
        let len = self.low.len();
        assert!(from.len() == len && to.len() == len);
        let offset = self.source.apply((tile * len) as u64) as u32 & (len as u32 - 1);
        if !(level() == Level::Avx512 && T::gather(from, to, self, offset)) {
            one_by_one(from, to, &self.low, offset);
        }
    }
}

kernel! {
    fn one_by_one<T>(from: &[T], to: &mut [T], low: &[u32], offset: u32) {
        assert!(from.len() == low.len());
        for (amplitude, low) in to.iter_mut().zip(low) {
            // SAFETY: `low` and `offset` have as many bits as the tile has qubits.
            *amplitude = unsafe { *from.get_unchecked((low ^ offset) as usize) };
        }
    }
}

/// How the lanes of a vector are filled, where they come from no more than two vectors, as they do
/// for chains of gates between neighbours.
struct Lanes<const LANES: usize> {
    /// What separates the two vectors' numbers.
    apart: usize,
    /// For each lane, the lane it comes from, counted on through the second vector.
    sources: [u32; LANES],
}

impl<const LANES: usize> Lanes<LANES> {
    fn of(gather: &Gather) -> Option<Self> {
        let first = gather.low.get(..LANES)?;
        let vector = |source: u32| source as usize / LANES;
        let apart = first.iter().map(|s| vector(*s)).find(|v| *v != 0).unwrap_or(0);
        let two = first.iter().all(|s| vector(*s) == 0 || vector(*s) == apart);
        let lane = |s: u32| s % LANES as u32 + if vector(s) == 0 { 0 } else { LANES as u32 };
        let sources = std::array::from_fn(|k| lane(first[k]));
        two.then_some(Self { apart, sources })
    }
}

/// Gathering whole vectors.
pub trait GatherVectors: Sized {
    /// Gathers if the map moves lanes together; says whether it did. Needs AVX-512.
    fn gather(from: &[Self], to: &mut [Self], gather: &Gather, offset: u32) -> bool;
}

macro_rules! gather_vectors {
    ($type:ty, $lanes:literal, $index:ty, $load:ident, $permute:ident, $store:ident) => {
        impl GatherVectors for $type {
            #[cfg(not(target_arch = "x86_64"))]
            fn gather(_: &[Self], _: &mut [Self], _: &Gather, _: u32) -> bool {
                false
            }

            #[cfg(target_arch = "x86_64")]
            fn gather(from: &[Self], to: &mut [Self], gather: &Gather, offset: u32) -> bool {
                use std::arch::x86_64::*;

                #[target_feature(enable = "avx512f")]
                fn run(
                    from: &[$type],
                    to: &mut [$type],
                    gather: &Gather,
                    offset: u32,
                    lanes: &Lanes<$lanes>,
                ) {
                    // An offset inside a vector swaps lanes: one index vector for each.
                    let swapped =
                        |swap: usize| lanes.sources.map(|s| <$index>::from(s ^ swap as u32));
                    let indices: [[$index; $lanes]; $lanes] = std::array::from_fn(swapped);
                    let from = from.as_chunks::<$lanes>().0;
                    let starts = gather.starts.iter().step_by($lanes / 8);
                    for (out, start) in to.as_chunks_mut::<$lanes>().0.iter_mut().zip(starts) {
                        let start = start ^ offset;
                        let vector = (start / $lanes) as usize;
                        let index = &indices[(start % $lanes) as usize];
                        // SAFETY: sources are outcomes of the tile; arrays are 64 bytes long.
                        unsafe {
                            let index = _mm512_loadu_si512(index.as_ptr().cast());
                            let a = $load(from.get_unchecked(vector).as_ptr());
                            let b = $load(from.get_unchecked(vector ^ lanes.apart).as_ptr());
                            $store(out.as_mut_ptr(), $permute(a, index, b));
                        }
                    }
                }

                let Some(lanes) = Lanes::of(gather) else { return false };
                // SAFETY: the caller has looked for AVX-512.
                unsafe { run(from, to, gather, offset, &lanes) };
                true
            }
        }
    };
}

gather_vectors!(f64, 8, u64, _mm512_loadu_pd, _mm512_permutex2var_pd, _mm512_storeu_pd);
gather_vectors!(f32, 16, u32, _mm512_loadu_ps, _mm512_permutex2var_ps, _mm512_storeu_ps);
