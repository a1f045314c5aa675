//! Cutting a state into tiles that fit a cache.
//!
//! A tile holds all amplitudes that differ in the qubits of one sweep. Kernels only ever see a tile,
//! as a short contiguous array; they number its qubits by place: those of the tile first, from 0, and
//! then the others, whose values are the bits of the tile's number.

use std::ops::Range;

use super::permute::Gather;
use super::real::Real;
use crate::simd::{end_of_stream, prefetch, stream};

/// Rows that are asked of memory before they are needed: the processor does not foresee the way from
/// one to the next.
const AHEAD: usize = 16;

/// Bytes of an array that the second-level caches hold.
const CACHED: usize = 2 << 20;

/// How a sweep cuts `2^n` amplitudes into tiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The qubit at each place.
    order: Vec<usize>,
    /// Qubits of a tile.
    tile_qubits: usize,
    /// log2 of the amplitudes that stand together in a tile and in the state.
    columns: usize,
    /// Where a tile's rows start, from the tile's first amplitude on.
    rows: Vec<usize>,
}

impl Layout {
    /// Tiles of the given qubits, ascending.
    pub fn new(n_qubits: usize, tile: &[usize]) -> Self {
        let outer = (0..n_qubits).filter(|q| !tile.contains(q));
        let order: Vec<usize> = tile.iter().copied().chain(outer).collect();
        let columns = tile.iter().enumerate().take_while(|(i, q)| i == *q).count();
        let rows = (0..1 << (tile.len() - columns)).map(|r| spread(r, &tile[columns..])).collect();
        Self { order, tile_qubits: tile.len(), columns, rows }
    }

    /// Qubits of a tile.
    pub fn tile_qubits(&self) -> usize {
        self.tile_qubits
    }

    /// How many tiles there are.
    pub fn n_tiles(&self) -> usize {
        1 << (self.order.len() - self.tile_qubits)
    }

    /// Whether the state is a single tile.
    pub fn is_whole(&self) -> bool {
        self.order.len() == self.tile_qubits
    }

    /// The qubit at each place.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The place of a qubit.
    pub fn place(&self, qubit: usize) -> usize {
        self.order.iter().position(|q| *q == qubit).expect("every qubit has a place")
    }

    /// Where the rows of a tile start in the state.
    fn starts(&self, tile: usize) -> impl Iterator<Item = usize> + Clone + '_ {
        let first = spread(tile, &self.order[self.tile_qubits..]);
        self.rows.iter().map(move |row| first + row)
    }

    /// Copies a tile out of a state, whose pieces `from` gives.
    pub fn load<'a, T: Real>(
        &self,
        tile: usize,
        from: impl Fn(Range<usize>) -> &'a [T],
        to: &mut [T],
    ) {
        let width = 1 << self.columns;
        let mut ahead = self.starts(tile).skip(AHEAD);
        for (row, start) in to.chunks_exact_mut(width).zip(self.starts(tile)) {
            if let Some(next) = ahead.next() {
                prefetch(from(next..next + width));
            }
            row.copy_from_slice(from(start..start + width));
        }
    }

    /// Writes a tile back into the state that `to` lends out, relabelled if there is a gather.
    ///
    /// # Safety
    /// No other task may work on the same tile, or under another layout, at the same time.
    pub unsafe fn store<T: Real>(
        &self,
        tile: usize,
        from: &[T],
        gather: Option<&Gather>,
        to: Shared<T>,
    ) {
        let width = 1 << self.columns;
        let is_streamed = to.1 * size_of::<T>() > CACHED;
        let starts = self.starts(tile);
        // SAFETY: tiles of one layout hold different amplitudes; the rest is the caller's promise.
        let rows = starts.map(|start| unsafe { to.piece(start..start + width) });
        if let Some(gather) = gather {
            gather.run_by_rows(from, rows, tile, is_streamed);
        } else {
            let put = if is_streamed { stream } else { <[T]>::copy_from_slice };
            from.chunks_exact(width).zip(rows).for_each(|(row, to)| put(to, row));
        }
        end_of_stream();
    }
}

/// Puts the bits of `value` at the given positions.
pub fn spread(value: usize, positions: &[usize]) -> usize {
    positions.iter().enumerate().fold(0, |sum, (i, q)| sum | (value >> i & 1) << q)
}

/// An array that several tasks write to, each to a part of its own.
#[derive(Clone, Copy)]
pub struct Shared<T>(*mut T, usize);

// SAFETY: the pointer is only followed in `unsafe` functions, whose callers promise that tasks work on
// different parts.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Lends an array out to tasks.
    pub fn new(array: &mut [T]) -> Self {
        Self(array.as_mut_ptr(), array.len())
    }

    /// A piece of the array.
    ///
    /// # Safety
    /// No two threads may hold overlapping pieces.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn piece<'a>(self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.1);
        // SAFETY: inside the array by the assertion; not shared by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}

/// Tasks that `n_tiles` tiles are dealt out to: a number that depends on the state alone.
pub fn n_tasks(n_tiles: usize) -> usize {
    n_tiles.min(32)
}

/// The tiles of task `task`.
pub fn tiles_of(task: usize, n_tiles: usize) -> Range<usize> {
    let each = n_tiles / n_tasks(n_tiles);
    task * each..(task + 1) * each
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_hold_every_amplitude_once_and_come_back_where_they_were() {
        // The last is more than caches hold.
        let large = (0..4).chain(9..19).collect();
        for (n, tile) in [
            (6, vec![0, 1, 4]),
            (5, vec![1, 3]),
            (7, vec![0, 1, 2, 3]),
            (3, vec![0, 1, 2]),
            (19, large),
        ] {
            let layout = Layout::new(n, &tile);
            let state: Vec<f64> = (0..1usize << n).map(|i| i as f64).collect();
            let mut copy = vec![0.0; 1 << n];
            let mut room = vec![0.0; 1 << tile.len()];
            for t in 0..layout.n_tiles() {
                layout.load(t, |range| &state[range], &mut room);
                for (place, q) in tile.iter().enumerate() {
                    assert_eq!(layout.place(*q), place);
                    assert_eq!(room[1 << place] - room[0], (1u64 << q) as f64);
                }
                // SAFETY: one thread.
                unsafe { layout.store(t, &room, None, Shared::new(&mut copy)) };
            }
            assert_eq!(state, copy);
        }
    }
}
