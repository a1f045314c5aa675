//! Vectors of lanes as values, where the compiler needs to be told what stays in registers.

/// A vector of lanes of `T`.
///
/// # Safety
/// Methods may only be called where the processor has the implementation's instructions: inside a
/// [`kernel!`](super::kernel) that was given this type.
pub unsafe trait Pack<T>: Copy {
    /// log2 of the number of lanes.
    const LOG: usize;
    /// Whether there are 32 registers rather than 16.
    const MANY_REGISTERS: bool;
    /// Reads lanes that start at `from`.
    ///
    /// # Safety
    /// As many numbers as there are lanes must be readable there.
    unsafe fn load(from: *const T) -> Self;
    /// Writes lanes to `to`.
    ///
    /// # Safety
    /// As many numbers as there are lanes must be writable there.
    unsafe fn store(self, to: *mut T);
    /// Reads half as many numbers into both halves of the lanes.
    ///
    /// # Safety
    /// So many must be readable there.
    unsafe fn load_twice(from: *const T) -> Self;
    /// Writes the lower half of the lanes.
    ///
    /// # Safety
    /// So many numbers must be writable there.
    unsafe fn store_half(self, to: *mut T);
    /// Writes lanes of self and of `a` in turn.
    ///
    /// # Safety
    /// Twice as many numbers as there are lanes must be writable at `to`.
    unsafe fn store_pairs(self, a: Self, to: *mut T);
    /// The same value in all lanes.
    fn splat(value: T) -> Self;
    /// self + a.
    fn plus(self, a: Self) -> Self;
    /// self - a.
    fn minus(self, a: Self) -> Self;
    /// The lesser of self and a; where one is no number, a.
    fn least(self, a: Self) -> Self;
    /// self * a.
    fn times(self, a: Self) -> Self;
    /// self * a + b.
    fn times_plus(self, a: Self, b: Self) -> Self;
    /// b - self * a.
    fn times_from(self, a: Self, b: Self) -> Self;
    /// Each lane's partner in bit `BIT` of its number.
    fn partner<const BIT: usize>(self) -> Self;
    /// The halves of the lanes exchanged.
    fn halves_exchanged(self) -> Self;
    /// Whether there are instructions for [`Pack::mix`] and [`Pack::arrange`].
    const MIXES: bool = false;
    /// Whether lanes are mixed in passes that do other work as well: that takes registers.
    const MIXES_IN_PASSING: bool = Self::MIXES && Self::MANY_REGISTERS;
    /// A [`Mix`] in registers.
    type Order: Copy;
    /// Loads one.
    fn order(_mix: &Mix) -> Self::Order {
        unreachable!("only asked for where MIXES says so")
    }
    /// Lanes of self and of `a`, numbered on from those of self, in an order.
    fn mix(self, _a: Self, _order: Self::Order) -> Self {
        unreachable!("only asked for where MIXES says so")
    }
    /// Lanes of self in an order.
    fn arrange(self, _order: Self::Order) -> Self {
        unreachable!("only asked for where MIXES says so")
    }
}

/// An order of lanes of one or two vectors, in the forms that processors take.
#[derive(Debug, Clone, PartialEq)]
#[repr(align(64))]
pub struct Mix {
    /// For vectors of 64 bytes: each lane's number, as many bytes as the lane.
    numbers: [u32; MOST_LANES],
    /// For vectors of 32 bytes: the numbers of all words of 4 bytes.
    words: [u32; MOST_LANES / 2],
}

impl Mix {
    /// For `1 << log` lanes.
    pub fn new(log: usize, source: impl Fn(usize) -> u32) -> Self {
        // Words of a lane in either form; none where so many lanes are no vector.
        let [of_number, of_word] = [MOST_LANES >> log, (MOST_LANES / 2) >> log];
        // Little-endian: the higher words of a lane's number are zero.
        let number = |i: usize| match of_number {
            0 => 0,
            words if i.is_multiple_of(words) => source(i / words),
            _ => 0,
        };
        let word = |i: usize| match of_word {
            0 => 0,
            words => source(i / words) * words as u32 + (i % words) as u32,
        };
        Self { numbers: std::array::from_fn(number), words: std::array::from_fn(word) }
    }
}

macro_rules! plain {
    ($type:ty, $log:literal) => {
        // SAFETY: plain Rust runs everywhere.
        unsafe impl Pack<$type> for [$type; 1 << $log] {
            const LOG: usize = $log;
            const MANY_REGISTERS: bool = cfg!(target_arch = "aarch64");
            type Order = ();
            #[inline(always)]
            unsafe fn load(from: *const $type) -> Self {
                // SAFETY: readable by the caller's promise.
                unsafe { from.cast::<Self>().read_unaligned() }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $type) {
                // SAFETY: writable by the caller's promise.
                unsafe { to.cast::<Self>().write_unaligned(self) }
            }
            #[inline(always)]
            unsafe fn load_twice(from: *const $type) -> Self {
                const HALF: usize = 1 << ($log - 1);
                // SAFETY: readable by the caller's promise.
                std::array::from_fn(|k| unsafe { *from.add(if k < HALF { k } else { k - HALF }) })
            }
            #[inline(always)]
            unsafe fn store_half(self, to: *mut $type) {
                for k in 0..1 << ($log - 1) {
                    // SAFETY: writable by the caller's promise.
                    unsafe { *to.add(k) = self[k] };
                }
            }
            #[inline(always)]
            unsafe fn store_pairs(self, a: Self, to: *mut $type) {
                let pairs: [[$type; 2]; 1 << $log] = std::array::from_fn(|k| [self[k], a[k]]);
                // SAFETY: writable by the caller's promise.
                unsafe { to.cast::<[[$type; 2]; 1 << $log]>().write_unaligned(pairs) };
            }
            #[inline(always)]
            fn splat(value: $type) -> Self {
                [value; 1 << $log]
            }
            #[inline(always)]
            fn plus(self, a: Self) -> Self {
                std::array::from_fn(|k| self[k] + a[k])
            }
            #[inline(always)]
            fn minus(self, a: Self) -> Self {
                std::array::from_fn(|k| self[k] - a[k])
            }
            #[inline(always)]
            fn least(self, a: Self) -> Self {
                std::array::from_fn(|k| if self[k] < a[k] { self[k] } else { a[k] })
            }
            #[inline(always)]
            fn times(self, a: Self) -> Self {
                std::array::from_fn(|k| self[k] * a[k])
            }
            #[inline(always)]
            fn times_plus(self, a: Self, b: Self) -> Self {
                std::array::from_fn(|k| fused(self[k], a[k], b[k]))
            }
            #[inline(always)]
            fn times_from(self, a: Self, b: Self) -> Self {
                std::array::from_fn(|k| fused(-self[k], a[k], b[k]))
            }
            #[inline(always)]
            fn halves_exchanged(self) -> Self {
                self.partner::<{ $log - 1 }>()
            }
            #[inline(always)]
            fn partner<const BIT: usize>(self) -> Self {
                std::array::from_fn(|k| self[k ^ 1 << BIT])
            }
        }
    };
}

/// a * b + c as the baseline does it best.
#[inline(always)]
fn fused<T: crate::state::Real>(a: T, b: T, c: T) -> T {
    crate::state::fma::<T, { super::BASELINE_FMA }>(a, b, c)
}

plain!(f64, 1);
plain!(f32, 2);

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Mix, Pack};

    #[inline(always)]
    unsafe fn twice_pd(half: __m128d) -> __m256d {
        // SAFETY: the processor has these instructions, as the trait asks for.
        unsafe { _mm256_insertf128_pd::<1>(_mm256_castpd128_pd256(half), half) }
    }

    #[inline(always)]
    unsafe fn twice_ps(half: __m128) -> __m256 {
        // SAFETY: as above.
        unsafe { _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(half), half) }
    }

    #[inline(always)]
    unsafe fn numbers(mix: &Mix) -> __m512i {
        // SAFETY: as above; a mix is aligned as a register.
        unsafe { _mm512_load_si512(mix.numbers.as_ptr().cast()) }
    }

    /// The words' numbers; the fourth bit, which says which vector a word is from, is a sign as well.
    type Words = (__m256i, __m256);

    #[inline(always)]
    unsafe fn words(mix: &Mix) -> Words {
        // SAFETY: as above.
        unsafe {
            let words = _mm256_load_si256(mix.words.as_ptr().cast());
            (words, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(words)))
        }
    }

    #[inline(always)]
    unsafe fn mix_words(x: __m256, a: __m256, (words, from_a): Words) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let (x, a) = (_mm256_permutevar8x32_ps(x, words), _mm256_permutevar8x32_ps(a, words));
            _mm256_blendv_ps(x, a, from_a)
        }
    }

    macro_rules! pack {
        ($type:ty, $pack:ty, $log:literal, $many:literal, $load:ident $store:ident $splat:ident
         $load_half:ident $twice:ident $lower:ident $store_half:ident
         $add:ident $sub:ident $min:ident $mul:ident $fmadd:ident $fnmadd:ident,
         |$x:ident| $($bit:literal => $partner:expr),*; |$y:ident| $pairs:expr;
         $load_order:ident -> $order:ty, |$o:ident| $mix:expr, $arrange:expr) => {
            // SAFETY: these are the instructions of the level that this type stands for.
            unsafe impl Pack<$type> for $pack {
                const LOG: usize = $log;
                const MANY_REGISTERS: bool = $many;
                #[inline(always)]
                unsafe fn load(from: *const $type) -> Self {
                    // SAFETY: readable by the caller's promise, like the instructions below.
                    unsafe { $load(from) }
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $type) {
                    // SAFETY: writable by the caller's promise.
                    unsafe { $store(to, self) }
                }
                #[inline(always)]
                unsafe fn load_twice(from: *const $type) -> Self {
                    // SAFETY: readable by the caller's promise.
                    unsafe { $twice($load_half(from)) }
                }
                #[inline(always)]
                unsafe fn store_half(self, to: *mut $type) {
                    // SAFETY: writable by the caller's promise.
                    unsafe { $store_half(to, $lower(self)) }
                }
                #[inline(always)]
                unsafe fn store_pairs(self, $y: Self, to: *mut $type) {
                    let $x = self;
                    // SAFETY: writable by the caller's promise.
                    unsafe {
                        let [first, second] = $pairs;
                        $store(to, first);
                        $store(to.add(1 << $log), second);
                    }
                }
                #[inline(always)]
                fn splat(value: $type) -> Self {
                    // SAFETY: the processor has these instructions, as the trait asks for.
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                fn plus(self, a: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $add(self, a) }
                }
                #[inline(always)]
                fn minus(self, a: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $sub(self, a) }
                }
                #[inline(always)]
                fn least(self, a: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $min(self, a) }
                }
                #[inline(always)]
                fn times(self, a: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $mul(self, a) }
                }
                #[inline(always)]
                fn times_plus(self, a: Self, b: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fmadd(self, a, b) }
                }
                #[inline(always)]
                fn times_from(self, a: Self, b: Self) -> Self {
                    // SAFETY: as above.
                    unsafe { $fnmadd(self, a, b) }
                }
                #[inline(always)]
                fn halves_exchanged(self) -> Self {
                    self.partner::<{ $log - 1 }>()
                }
                #[inline(always)]
                fn partner<const BIT: usize>(self) -> Self {
                    let $x = self;
                    // SAFETY: as above.
                    match BIT {
                        $($bit => unsafe { $partner },)*
                        _ => unreachable!("no lane has such a bit"),
                    }
                }
                const MIXES: bool = true;
                type Order = $order;
                #[inline(always)]
                fn order(mix: &Mix) -> Self::Order {
                    // SAFETY: as above.
                    unsafe { $load_order(mix) }
                }
                #[inline(always)]
                fn mix(self, $y: Self, $o: Self::Order) -> Self {
                    let $x = self;
                    // SAFETY: as above.
                    unsafe { $mix }
                }
                #[inline(always)]
                fn arrange(self, $o: Self::Order) -> Self {
                    let $x = self;
                    // SAFETY: as above.
                    unsafe { $arrange }
                }
            }
        };
    }

    pack!(f64, __m512d, 3, true, _mm512_loadu_pd _mm512_storeu_pd _mm512_set1_pd
    _mm256_loadu_pd _mm512_broadcast_f64x4 _mm512_castpd512_pd256 _mm256_storeu_pd
    _mm512_add_pd _mm512_sub_pd _mm512_min_pd _mm512_mul_pd
    _mm512_fmadd_pd _mm512_fnmadd_pd, |x|
    0 => _mm512_permute_pd::<0x55>(x),
    1 => _mm512_permutex_pd::<0x4e>(x),
    2 => _mm512_shuffle_f64x2::<0x4e>(x, x);
    |y| {
        let first = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
        let second = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
        [_mm512_permutex2var_pd(x, first, y), _mm512_permutex2var_pd(x, second, y)]
    };
    numbers -> __m512i, |order| _mm512_permutex2var_pd(x, order, y), _mm512_permutexvar_pd(order, x));
    pack!(f32, __m512, 4, true, _mm512_loadu_ps _mm512_storeu_ps _mm512_set1_ps
    _mm256_loadu_ps _mm512_broadcast_f32x8 _mm512_castps512_ps256 _mm256_storeu_ps
    _mm512_add_ps _mm512_sub_ps _mm512_min_ps _mm512_mul_ps
    _mm512_fmadd_ps _mm512_fnmadd_ps, |x|
    0 => _mm512_permute_ps::<0xb1>(x),
    1 => _mm512_permute_ps::<0x4e>(x),
    2 => _mm512_shuffle_f32x4::<0xb1>(x, x),
    3 => _mm512_shuffle_f32x4::<0x4e>(x, x);
    |y| {
        let first =
            _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let second =
            _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        [_mm512_permutex2var_ps(x, first, y), _mm512_permutex2var_ps(x, second, y)]
    };
    numbers -> __m512i, |order| _mm512_permutex2var_ps(x, order, y), _mm512_permutexvar_ps(order, x));
    pack!(f64, __m256d, 2, false, _mm256_loadu_pd _mm256_storeu_pd _mm256_set1_pd
    _mm_loadu_pd twice_pd _mm256_castpd256_pd128 _mm_storeu_pd
    _mm256_add_pd _mm256_sub_pd _mm256_min_pd _mm256_mul_pd
    _mm256_fmadd_pd _mm256_fnmadd_pd, |x|
    0 => _mm256_permute_pd::<0x5>(x),
    1 => _mm256_permute4x64_pd::<0x4e>(x);
    |y| {
        let (even, odd) = (_mm256_unpacklo_pd(x, y), _mm256_unpackhi_pd(x, y));
        [_mm256_permute2f128_pd::<0x20>(even, odd), _mm256_permute2f128_pd::<0x31>(even, odd)]
    };
    words -> Words, |order|
    _mm256_castps_pd(mix_words(_mm256_castpd_ps(x), _mm256_castpd_ps(y), order)),
    _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(x), order.0)));
    pack!(f32, __m256, 3, false, _mm256_loadu_ps _mm256_storeu_ps _mm256_set1_ps
    _mm_loadu_ps twice_ps _mm256_castps256_ps128 _mm_storeu_ps
    _mm256_add_ps _mm256_sub_ps _mm256_min_ps _mm256_mul_ps
    _mm256_fmadd_ps _mm256_fnmadd_ps, |x|
    0 => _mm256_permute_ps::<0xb1>(x),
    1 => _mm256_permute_ps::<0x4e>(x),
    2 => _mm256_permute2f128_ps::<0x01>(x, x);
    |y| {
        let (low, high) = (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y));
        [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
    };
    words -> Words, |order| mix_words(x, y, order), _mm256_permutevar8x32_ps(x, order.0));
}

/// A number type's vectors at each level.
pub trait Packed: Sized {
    /// For [`Level::Baseline`](super::Level::Baseline).
    type Baseline: Pack<Self>;
    /// For [`Level::Avx2`](super::Level::Avx2).
    type Avx2: Pack<Self>;
    /// For [`Level::Avx512`](super::Level::Avx512).
    type Avx512: Pack<Self>;
}

#[cfg(target_arch = "x86_64")]
mod packed {
    use std::arch::x86_64::{__m256, __m256d, __m512, __m512d};

    impl super::Packed for f64 {
        type Baseline = [f64; 2];
        type Avx2 = __m256d;
        type Avx512 = __m512d;
    }

    impl super::Packed for f32 {
        type Baseline = [f32; 4];
        type Avx2 = __m256;
        type Avx512 = __m512;
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod packed {
    impl super::Packed for f64 {
        type Baseline = [f64; 2];
        type Avx2 = [f64; 2];
        type Avx512 = [f64; 2];
    }

    impl super::Packed for f32 {
        type Baseline = [f32; 4];
        type Avx2 = [f32; 4];
        type Avx512 = [f32; 4];
    }
}

/// The most lanes that a pack has, and log2 of it.
pub const MOST_LANES: usize = 16;
/// log2 of [`MOST_LANES`].
pub const MOST_LOG: usize = 4;

/// The lanes one by one, in double precision.
#[inline(always)]
pub fn lanes<T: crate::state::Real, P: Pack<T>>(pack: P) -> impl Iterator<Item = f64> {
    let mut lanes = [T::ZERO; MOST_LANES];
    // SAFETY: no pack has more lanes.
    unsafe { pack.store(lanes.as_mut_ptr()) };
    lanes.into_iter().take(1 << P::LOG).map(T::to_f64)
}
