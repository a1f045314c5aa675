//! Memory for amplitudes.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::real::Real;
use crate::memory::{self, LINE, Lines};

/// Numbers that start on a cache line, and that mean nothing until they are written: to clear a large
/// state first would take as long as a sweep over it.
pub struct Array<T> {
    lines: Lines,
    /// The line that the numbers start on.
    start: usize,
    len: usize,
    numbers: PhantomData<T>,
}

/// Bytes of a page: where two addresses differ by a multiple of it, they share a set of the first-level
/// cache, and a read of one just after a write to the other has to wait.
const PAGE: usize = 4096;

impl<T: Real> Array<T> {
    /// Room for `len` numbers.
    pub fn new(len: usize) -> Self {
        Self::beside(0, len)
    }

    /// Room for `len` numbers that start in a given quarter of a page: arrays that are worked on side
    /// by side are to start in different ones.
    pub fn beside(quarter: usize, len: usize) -> Self {
        if len == 0 {
            return Self { lines: Lines::default(), start: 0, len, numbers: PhantomData };
        }
        let lines = memory::take((len * size_of::<T>()).div_ceil(LINE) + 2 * PAGE / LINE);
        // In lines: what is left of the page that the first one is in.
        let rest = lines.as_ptr().addr().wrapping_neg() % PAGE / LINE;
        let start = rest + quarter * PAGE / 4 / LINE;
        let mut array = Self { lines, start, len, numbers: PhantomData };
        if cfg!(debug_assertions) {
            // Whoever reads before he writes will notice.
            array.fill(T::from_f64(f64::NAN));
        }
        array
    }

    /// Makes it so long, which must not be longer than it was made: what it holds stays as it is.
    pub fn set_len(&mut self, len: usize) {
        assert!(len * size_of::<T>() <= (self.lines.len() - self.start) * LINE);
        self.len = len;
    }
}

impl<T> Drop for Array<T> {
    fn drop(&mut self) {
        memory::give(std::mem::take(&mut self.lines));
    }
}

impl<T> std::fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Array").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: Real> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let lines = &self.lines[self.start..];
        debug_assert!(self.len * size_of::<T>() <= lines.len() * LINE);
        // SAFETY: there is room for so many; any bits make a number, and kernels write each before
        // they read it.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), self.len) }
    }
}

impl<T: Real> DerefMut for Array<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let lines = &mut self.lines[self.start..];
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), self.len) }
    }
}
