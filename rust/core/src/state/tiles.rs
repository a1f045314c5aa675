//! Cutting a state into tiles that fit the first-level cache.
//!
//! A tile holds all amplitudes that gates on a window of qubits mix with each other: rows of
//! neighbouring columns, copied side by side. Kernels only ever see a tile, as a short contiguous
//! array with its own qubit numbers.

use super::real::Real;

/// log2 of the amplitudes in a tile: 4096 doubles are 32 KiB.
pub const TILE_QUBITS: usize = 12;
/// Amplitudes in a tile.
pub const TILE: usize = 1 << TILE_QUBITS;
/// log2 of the neighbouring columns that travel together: two cache lines of doubles.
const COLUMN_QUBITS: usize = 4;

/// A tile on the stack, aligned for the widest vectors.
#[repr(align(64))]
pub struct Tile<T>(pub [T; TILE]);

impl<T: Real> Tile<T> {
    /// A tile of zeros.
    pub fn zeros() -> Self {
        Self([T::ZERO; TILE])
    }
}

/// One way to cut `2^n` amplitudes: the tile's qubits are the lowest `columns` and a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tiling {
    /// Qubits of the state.
    n_qubits: usize,
    /// Low qubits that every tile holds.
    columns: usize,
    /// The window's first qubit.
    from: usize,
    /// The window's length.
    rows: usize,
}

/// One sweep over a state: which amplitudes are brought together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sweep {
    /// All those of the lowest qubits, in place: they stand together.
    Blocks(Tiling),
    /// All those of a window of qubits, copied into a tile.
    Tiles(Tiling),
    /// Those of up to three neighbouring qubits, in place: long rows need no copy.
    Rows(Tiling),
}

impl Sweep {
    /// Sweeps that together cover `qubits` (ascending), with the qubits each one is for.
    pub fn cover(n_qubits: usize, qubits: &[usize]) -> Vec<(Self, std::ops::Range<usize>)> {
        let mut cover = Vec::new();
        let mut done = 0;
        while done < qubits.len() {
            let left = &qubits[done..];
            let neighbours = left.last() == Some(&(left[0] + left.len() - 1));
            let sweep = if left[0] < TILE_QUBITS {
                let rows = n_qubits.min(TILE_QUBITS);
                Self::Blocks(Tiling { n_qubits, columns: 0, from: 0, rows })
            } else if left.len() <= 3 && neighbours {
                let (columns, rows) = (TILE_QUBITS - left.len(), left.len());
                Self::Rows(Tiling { n_qubits, columns, from: left[0], rows })
            } else {
                let rows = TILE_QUBITS - COLUMN_QUBITS;
                let from = left[0].min(n_qubits - rows);
                Self::Tiles(Tiling { n_qubits, columns: COLUMN_QUBITS, from, rows })
            };
            let end = sweep.tiling().from + sweep.tiling().rows;
            let next = done + left.iter().take_while(|q| **q < end).count();
            cover.push((sweep, done..next));
            done = next;
        }
        cover
    }

    /// How the state is cut.
    pub fn tiling(&self) -> Tiling {
        match self {
            Self::Blocks(tiling) | Self::Tiles(tiling) | Self::Rows(tiling) => *tiling,
        }
    }
}

impl Tiling {
    /// How many tiles the state is cut into.
    pub fn n_tiles(&self) -> usize {
        1 << (self.n_qubits - self.columns - self.rows)
    }

    /// Amplitudes in one tile.
    pub fn len(&self) -> usize {
        1 << (self.columns + self.rows)
    }

    /// The number of a window's qubit inside a tile.
    pub fn local(&self, qubit: usize) -> usize {
        qubit - self.from + self.columns
    }

    /// The position of a tile's first amplitude.
    fn base(&self, tile: usize) -> usize {
        let below = self.from - self.columns;
        let (high, low) = (tile >> below, tile & ((1 << below) - 1));
        high << (self.from + self.rows) | low << self.columns
    }

    /// The place of a tile of neighbouring amplitudes.
    pub fn block(&self, tile: usize) -> std::ops::Range<usize> {
        tile * self.len()..(tile + 1) * self.len()
    }
}

/// A state's array that several tasks write to, each to tiles of its own.
#[derive(Clone, Copy)]
pub struct Shared<T>(*mut T, usize);

// SAFETY: tasks of one sweep work on different tiles, and different tiles of one tiling hold
// different amplitudes (`base` is injective and rows are `1 << from` apart).
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T: Real> Shared<T> {
    /// Lends an array out to tasks.
    pub fn new(array: &mut [T]) -> Self {
        Self(array.as_mut_ptr(), array.len())
    }

    /// Runs `work` on a tile of the array; what it leaves there is written back.
    ///
    /// # Safety
    /// No other thread may work on the same tile, or under another tiling, at the same time.
    #[inline(always)]
    pub unsafe fn with_tile<R>(
        self,
        tiling: Tiling,
        tile: usize,
        room: &mut Tile<T>,
        work: impl FnOnce(&mut [T]) -> R,
    ) -> R {
        let (base, len) = (tiling.base(tile), tiling.len());
        debug_assert!(tiling.n_tiles() * len == self.1 && tile < tiling.n_tiles());
        let width = (1 << tiling.columns).min(len);
        let room = &mut room.0[..len];
        for (row, piece) in room.chunks_exact_mut(width).enumerate() {
            // SAFETY: row `row` of the tile, inside the array, this task's own.
            let from = unsafe {
                std::slice::from_raw_parts(self.0.add(base + (row << tiling.from)), width)
            };
            piece.copy_from_slice(from);
        }
        let result = work(room);
        for (row, piece) in room.chunks_exact(width).enumerate() {
            // SAFETY: as for reading.
            let to = unsafe {
                std::slice::from_raw_parts_mut(self.0.add(base + (row << tiling.from)), width)
            };
            to.copy_from_slice(piece);
        }
        result
    }

    /// The rows of a tile, where they stand.
    ///
    /// # Safety
    /// No other thread may work on the same tile, or under another tiling, at the same time.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn rows<'a, const ROWS: usize>(
        self,
        tiling: Tiling,
        tile: usize,
    ) -> [&'a mut [T]; ROWS] {
        assert!(ROWS == 1 << tiling.rows && tiling.n_tiles() * tiling.len() == self.1);
        assert!(tile < tiling.n_tiles());
        let base = tiling.base(tile);
        // SAFETY: rows lie inside the array, `1 << from` apart, which is no less than their length.
        std::array::from_fn(|row| unsafe {
            let start = self.0.add(base + (row << tiling.from));
            std::slice::from_raw_parts_mut(start, 1 << tiling.columns)
        })
    }

    /// A piece of the array.
    ///
    /// # Safety
    /// No two threads may hold overlapping pieces.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn piece<'a>(self, range: std::ops::Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.1);
        // SAFETY: inside the array by the assertion; not shared by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// Tasks that `n_tiles` tiles are dealt out to: a number that depends on the state alone.
pub fn n_tasks(n_tiles: usize) -> usize {
    n_tiles.min(64)
}

/// The tiles of task `task`.
pub fn tiles_of(task: usize, n_tiles: usize) -> std::ops::Range<usize> {
    let each = n_tiles / n_tasks(n_tiles);
    task * each..(task + 1) * each
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sweeps_hold_every_amplitude_once_and_rows_are_the_window() {
        for n in [3, 12, 13, 15, 18, 20] {
            let qubits: Vec<_> = (0..n).collect();
            let mut array: Vec<f64> = (0..1usize << n).map(|i| i as f64).collect();
            let mut covered = 0;
            for (sweep, range) in Sweep::cover(n, &qubits) {
                covered += range.len();
                let mut seen = vec![0; 1 << n];
                let mut see = |x: &f64| seen[*x as usize] += 1;
                let shared = Shared::new(&mut array);
                for tile in 0..sweep.tiling().n_tiles() {
                    // SAFETY: one thread.
                    match sweep {
                        Sweep::Blocks(tiling) => {
                            let block = unsafe { shared.piece(tiling.block(tile)) };
                            assert_eq!(block[0], (tile * block.len()) as f64);
                            block.iter().for_each(&mut see);
                        }
                        Sweep::Tiles(tiling) => unsafe {
                            shared.with_tile(tiling, tile, &mut Tile::zeros(), |t| {
                                t.iter().for_each(&mut see);
                                for &q in &qubits[range.clone()] {
                                    assert_eq!(t[1 << tiling.local(q)] - t[0], (1u64 << q) as f64);
                                }
                            });
                        },
                        Sweep::Rows(tiling) if range.len() == 1 => {
                            let rows: [_; 2] = unsafe { shared.rows(tiling, tile) };
                            assert_eq!(rows[1][0] - rows[0][0], (1u64 << range.start) as f64);
                            rows.iter().for_each(|row| row.iter().for_each(&mut see));
                        }
                        Sweep::Rows(tiling) => {
                            let rows: [_; 8] = unsafe { shared.rows(tiling, tile) };
                            assert_eq!(rows[5][0] - rows[0][0], (5u64 << range.start) as f64);
                            rows.iter().for_each(|row| row.iter().for_each(&mut see));
                        }
                    }
                }
                assert!(seen.iter().all(|&count| count == 1));
            }
            assert_eq!(covered, n);
        }
    }
}
