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

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T: Real> Array<T> {
    /// Room for `len` numbers.
    pub fn new(len: usize) -> Self {
        let numbers = Box::new_uninit_slice(len + LINE / size_of::<T>());
        memory::prefer_large_pages(numbers.as_ptr(), numbers.len());
        let start = numbers.as_ptr().align_offset(LINE);
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
