//! One binary, every processor: kernels are compiled for several instruction sets and the best one
//! that this machine has is chosen when the program runs.

mod pack;

use std::sync::OnceLock;

pub use pack::{MOST_LANES, MOST_LOG, Mix, Pack, Packed, lanes};

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of this architecture has (on 64-bit Arm that includes NEON).
    Baseline,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

/// Whether the baseline has fused multiply-add; without it a software version would be slow.
pub const BASELINE_FMA: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

impl Level {
    /// The name that `QHYPERNET_SIMD` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            return if avx512 { Self::Avx512 } else { Self::Avx2 };
        }
        Self::Baseline
    }
}

/// The instruction set in use: the best there is, or a lower one named by `QHYPERNET_SIMD`.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        let best = Level::detect();
        let wish = std::env::var("QHYPERNET_SIMD").unwrap_or_default();
        let levels = [Level::Baseline, Level::Avx2, Level::Avx512];
        levels.into_iter().find(|l| l.name() == wish).map_or(best, |l| l.min(best))
    })
}

/// Whether the ones of a whole vector of words are counted in one instruction; never below
/// [`Level::Avx512`].
pub fn counts_ones_in_lanes() -> bool {
    #[cfg(target_arch = "x86_64")]
    return level() == Level::Avx512 && is_x86_feature_detected!("avx512vpopcntdq");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Put into a loop over chunks of lanes, keeps the compiler from running several turns of it side by
/// side: it would collect the lanes with gathers, where one turn needs plain loads and shuffles (a
/// forward pass of 13 qubits and 4 layers took 0.27 ms that way and 0.20 ms this way).
#[inline(always)]
pub fn one_turn_at_a_time() {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    // SAFETY: no instruction at all.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

/// Asks memory for values that will be read soon.
#[inline(always)]
pub fn prefetch<T>(values: &[T]) {
    #[cfg(target_arch = "x86_64")]
    for line in values.chunks((64 / size_of::<T>()).max(1)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint; it touches nothing.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = values;
}

/// Asks memory for a place that will be written soon.
#[inline(always)]
pub fn prefetch_to_write<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        // SAFETY: a hint; it touches nothing.
        unsafe { _mm_prefetch::<_MM_HINT_ET0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Copies past the caches, into what is not read again before they would have lost it: memory that is
/// written through them is read first. For other threads to see it, [`end_of_stream`] must follow.
#[inline(always)]
pub fn stream<T: Copy>(to: &mut [T], from: &[T]) {
    assert_eq!(from.len(), to.len());
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_stream_si128};
        const WIDTH: usize = size_of::<__m128i>();
        let n_bytes = size_of_val(from);
        if n_bytes.is_multiple_of(WIDTH) && to.as_ptr().addr().is_multiple_of(WIDTH) {
            let (from, to) = (from.as_ptr().cast::<__m128i>(), to.as_mut_ptr().cast::<__m128i>());
            for i in 0..n_bytes / WIDTH {
                // SAFETY: both are as long, and the place written to is aligned.
                unsafe { _mm_stream_si128(to.add(i), _mm_loadu_si128(from.add(i))) };
            }
            return;
        }
    }
    to.copy_from_slice(from);
}

/// Waits until all that was streamed has arrived.
pub fn end_of_stream() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every such processor has it.
    unsafe {
        std::arch::x86_64::_mm_sfence()
    };
}

/// Runs a body for every row, written out, because arrays only stay in registers where all their
/// indices are constants.
macro_rules! each_row {
    ($rows:ident, |$r:ident| $body:block) => {
        $crate::simd::each_row!(@ $rows $r $body 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $rows:ident $r:ident $body:block $($row:literal)*) => {
        $(if $row < $rows {
            let $r = $row;
            $body
        })*
    };
}
pub(crate) use each_row;

/// Declares a kernel, generic over [`Real`](crate::state::Real) or not. Its body is compiled once for
/// each [`Level`] and may use the constant `FMA`, which says whether fused multiply-add is fast there.
/// With `<T as P>`, `P` is the level's [`Pack`] of `T`.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$t:ident as $p:ident>($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        $vis fn $name<$t: $crate::state::Real>($($arg: $ty),*) {
            #[inline(always)]
            fn portable<$t: $crate::state::Real, $p: $crate::simd::Pack<$t>>($($arg: $ty),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi2,popcnt")]
            fn avx2<$t: $crate::state::Real>($($arg: $ty),*) {
                portable::<$t, $t::Avx2>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
            fn avx512<$t: $crate::state::Real>($($arg: $ty),*) {
                portable::<$t, $t::Avx512>($($arg),*)
            }

            match $crate::simd::level() {
                // SAFETY: `level` only names instruction sets that this processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512::<$t>($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2::<$t>($($arg),*) },
                _ => portable::<$t, $t::Baseline>($($arg),*),
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident<$t:ident>($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $crate::simd::kernel! {
            @ ($(#[$meta])*) ($vis) $name ($t: $crate::state::Real) ($t)
            ($($arg: $ty),*) ($(-> $ret)?) $body
        }
    };
    ($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block) => {
        $crate::simd::kernel! {
            @ ($(#[$meta])*) ($vis) $name () () ($($arg: $ty),*) ($(-> $ret)?) $body
        }
    };
    (@ ($($meta:tt)*) ($vis:vis) $name:ident ($($bound:tt)*) ($($t:ident)?)
     ($($arg:ident: $ty:ty),*) ($($ret:tt)*) $body:block) => {
        $($meta)*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$($bound)*>($($arg: $ty),*) $($ret)* {
            #[inline(always)]
            #[allow(clippy::extra_unused_type_parameters)]
            fn portable<$($t: $crate::state::Real,)? const FMA: bool>($($arg: $ty),*) $($ret)* $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,bmi2,popcnt")]
            fn avx2<$($bound)*>($($arg: $ty),*) $($ret)* {
                portable::<$($t,)? true>($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")]
            fn avx512<$($bound)*>($($arg: $ty),*) $($ret)* {
                portable::<$($t,)? true>($($arg),*)
            }

            match $crate::simd::level() {
                // SAFETY: `level` only names instruction sets that this processor has.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                _ => portable::<$($t,)? { $crate::simd::BASELINE_FMA }>($($arg),*),
            }
        }
    };
}
pub(crate) use kernel;
