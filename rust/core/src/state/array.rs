//! Memory for amplitudes.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use super::real::Real;
use crate::memory;

/// Numbers that start on a cache line, and that mean nothing until they are written: to clear a large
/// state first would take as long as a sweep over it.
#[derive(Debug)]
pub struct Array<T> {
    numbers: Box<[MaybeUninit<T>]>,
    start: usize,
    len: usize,
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
        let numbers = Box::new_uninit_slice(len + 2 * PAGE / size_of::<T>());
        memory::prefer_large_pages(numbers.as_ptr(), numbers.len());
        let start = numbers.as_ptr().align_offset(PAGE) + quarter * PAGE / 4 / size_of::<T>();
        let mut array = Self { numbers, start, len };
        if cfg!(debug_assertions) {
            // Whoever reads before he writes will notice.
            array.fill(T::from_f64(f64::NAN));
        }
        array
    }
}

impl<T: Real> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        let numbers = &self.numbers[self.start..self.start + self.len];
        // SAFETY: any bits make a number, and kernels write each before they read it.
        unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast(), numbers.len()) }
    }
}

impl<T: Real> DerefMut for Array<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        let numbers = &mut self.numbers[self.start..self.start + self.len];
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
    }
}
