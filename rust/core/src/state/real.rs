//! The two precisions.

use std::ops::{Add, AddAssign, Mul, Neg, Sub};

use super::adjoint::Start;
use super::halves::Read;
use super::simulate::Evolution;
use super::vector::{Rooms, Vector, Workspace};
use crate::parallel::Threads;
use crate::simd::Packed;

/// A floating-point type that amplitudes are kept in.
pub trait Real:
    Copy
    + Default
    + PartialEq
    + Send
    + Sync
    + std::fmt::Debug
    + Add<Output = Self>
    + AddAssign
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Neg<Output = Self>
    + Packed
    + 'static
{
    /// Zero.
    const ZERO: Self;
    /// One.
    const ONE: Self;
    /// Cosines below this are not divided by: those of a whole tile's qubits must not exhaust the
    /// exponent.
    const SMALL_COS: f64;
    /// Whether the product of a whole tile's smallest cosines leaves room for products of amplitudes.
    const WIDE: bool;
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
    /// self * a + b, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;

    /// [`Evolution::run`]. Being no generic function, it is compiled here with all its kernels, and
    /// not again in each crate that calls it; so are the next ones.
    fn run(
        evolution: &Evolution<'_, Self>,
        psi: &mut Vector<Self>,
        rooms: &mut Rooms<Self>,
        threads: Threads,
    );
    /// [`Evolution::read`].
    fn read(evolution: &Evolution<'_, Self>, asked: Read<'_, Self>, threads: Threads);
    /// [`Evolution::adjoint`].
    fn adjoint(
        evolution: &Evolution<'_, Self>,
        start: Start<'_, Self>,
        room: &mut Workspace<Self>,
        gradient: &mut [f64],
        threads: Threads,
    );
}

macro_rules! real {
    ($type:ty, $small_cos:literal, $wide:literal) => {
        impl Real for $type {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const SMALL_COS: f64 = $small_cos;
            const WIDE: bool = $wide;
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn fused(self, a: Self, b: Self) -> Self {
                self.mul_add(a, b)
            }
            fn run(
                evolution: &Evolution<'_, Self>,
                psi: &mut Vector<Self>,
                rooms: &mut Rooms<Self>,
                threads: Threads,
            ) {
                evolution.forward(psi, rooms, threads)
            }
            fn read(evolution: &Evolution<'_, Self>, asked: Read<'_, Self>, threads: Threads) {
                evolution.read_directly(asked, threads)
            }
            fn adjoint(
                evolution: &Evolution<'_, Self>,
                start: Start<'_, Self>,
                room: &mut Workspace<Self>,
                gradient: &mut [f64],
                threads: Threads,
            ) {
                evolution.backward(start, room, gradient, threads)
            }
        }
    };
}

real!(f32, 1e-2, false);
real!(f64, 1e-4, true);

/// a * b + c: one instruction where the processor has it, else two.
#[inline(always)]
pub fn fma<T: Real, const FMA: bool>(a: T, b: T, c: T) -> T {
    if FMA { a.fused(b, c) } else { a * b + c }
}
