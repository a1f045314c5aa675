//! Products of the small matrices that a cut leaves.
//!
//! A product of complex numbers is made of three real ones (Gauss), whose operands are prepared once:
//! `(a + i b)(c + i s)` has the real part `k0 - k2` and the imaginary one `k0 + k1` with `k0 = a (c + s)`,
//! `k1 = (b - a) c` and `k2 = (a + b) s`. For a cotangent times a conjugate, `(x + i y)(c - i s)`, they
//! are `k0 + k2` and `k0 - k1` with `k0 = (x + y) c`, `k1 = x (c + s)` and `k2 = y (s - c)`.
//!
//! Columns stand in panels, each with all paths, and rows path by path, some room between the paths: what
//! is a power of two apart would all have the same few places of the first-level cache.

use std::ops::Range;

use num_complex::Complex;

use crate::simd::{Pack, kernel, lanes};
use crate::state::real::Real;

/// Three operands, of which real matrices only have the first.
pub type Three<'a, T> = [&'a [T]; 3];

/// Runs a body for the first so many of four numbers, or of three, written out, because arrays only stay in
/// registers where all their indices are constants.
macro_rules! each {
    (of three, $n:expr, |$i:ident| $body:block) => {
        each!(@ $n, $i $body 0 1 2)
    };
    ($n:expr, |$i:ident| $body:block) => {
        each!(@ $n, $i $body 0 1 2 3)
    };
    (@ $n:expr, $i:ident $body:block $($number:literal)*) => {
        $(if $number < $n {
            let $i = $number;
            $body
        })*
    };
}

/// Calls a function for blocks of so many of each of two kinds: as many accumulators as registers can
/// hold, or fewer where there is less to do.
macro_rules! in_blocks {
    ($function:ident, $n:expr, $m:expr, $is_real:expr, $arguments:tt) => {{
        let most = if P::MANY_REGISTERS { 4 } else { 2 };
        match ($is_real, $n.min(most), $m.min(2)) {
            (true, 4, 2) => in_blocks!(@ $function 1 4 2 $arguments),
            (true, 4, _) => in_blocks!(@ $function 1 4 1 $arguments),
            (true, 2 | 3, 2) => in_blocks!(@ $function 1 2 2 $arguments),
            (true, 2 | 3, _) => in_blocks!(@ $function 1 2 1 $arguments),
            (true, _, 2) => in_blocks!(@ $function 1 1 2 $arguments),
            (true, ..) => in_blocks!(@ $function 1 1 1 $arguments),
            (false, 4, 2) => in_blocks!(@ $function 3 4 2 $arguments),
            (false, 4, _) => in_blocks!(@ $function 3 4 1 $arguments),
            (false, 2 | 3, 2) => in_blocks!(@ $function 3 2 2 $arguments),
            (false, 2 | 3, _) => in_blocks!(@ $function 3 2 1 $arguments),
            (false, _, 2) => in_blocks!(@ $function 3 1 2 $arguments),
            (false, ..) => in_blocks!(@ $function 3 1 1 $arguments),
        }
    }};
    (@ $function:ident $parts:literal $n:literal $m:literal ($($argument:expr),*)) => {
        $function::<T, P, $parts, $n, $m>($($argument),*)
    };
}

/// Columns of a panel, at most.
pub const PANEL: usize = 32;

/// Where the columns of some panels and the rows of a tile stand in it.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    /// Columns of a panel.
    pub width: usize,
    /// From a panel to the next.
    pub by_panel: usize,
    /// From a row to the next.
    pub by_row: usize,
}

impl Grid {
    /// Row by row.
    pub fn by_rows(n_columns: usize) -> Self {
        let width = n_columns.min(PANEL);
        Self { width, by_panel: width, by_row: n_columns }
    }

    /// Panel by panel.
    pub fn by_panels(n_columns: usize, n_rows: usize) -> Self {
        let width = n_columns.min(PANEL);
        Self { width, by_panel: width * n_rows, by_row: width }
    }
}

kernel! {
    /// Writes `sum over p of low(p, x) high(y, p)` for the columns x of some panels and each of some
    /// rows y of `high`, one after the other. Numbers of rows, paths and columns are powers of two.
    pub(super) fn multiply<T as P>(
        low: Three<'_, T>,
        high: Three<'_, T>,
        panels: Range<usize>,
        rows: &[usize],
        grid: Grid,
        out: [&mut [T]; 2],
    ) {
        let is_real = low[1].is_empty();
        assert!(is_real || out[1].len() == out[0].len());
        let sizes = Sizes::of(out[0].len(), low, high, panels, rows, grid);
        let out = Parts(out.map(<[T]>::as_mut_ptr));
        in_blocks!(multiply_block, rows.len(), grid.width >> P::LOG, is_real,
            (low, high, rows, sizes, out));
    }
}

kernel! {
    /// The same as complex numbers, times a phase (c, s).
    pub(super) fn multiply_complex<T as P>(
        low: Three<'_, T>,
        high: Three<'_, T>,
        panels: Range<usize>,
        rows: &[usize],
        grid: Grid,
        phase: [T; 2],
        out: &mut [Complex<T>],
    ) {
        let sizes = Sizes::of(out.len(), low, high, panels, rows, grid);
        let out = Turned { phase: phase.map(P::splat), out: out.as_mut_ptr() };
        in_blocks!(multiply_block, rows.len(), grid.width >> P::LOG, low[1].is_empty(),
            (low, high, rows, sizes, out));
    }
}

/// Where a product is written.
trait Out<P> {
    /// Writes real and imaginary parts, or real ones where there are no others.
    ///
    /// # Safety
    /// There must be room for as many numbers as there are lanes from place `at` on.
    unsafe fn put(&self, at: usize, re: P, im: Option<P>);
}

/// Both parts apart.
struct Parts<T>([*mut T; 2]);

impl<T, P: Pack<T>> Out<P> for Parts<T> {
    #[inline(always)]
    unsafe fn put(&self, at: usize, re: P, im: Option<P>) {
        let Self([to_re, to_im]) = *self;
        // SAFETY: the caller's promise.
        unsafe {
            re.store(to_re.add(at));
            if let Some(im) = im {
                im.store(to_im.add(at));
            }
        }
    }
}

/// As complex numbers, times a phase.
struct Turned<T, P> {
    phase: [P; 2],
    out: *mut Complex<T>,
}

impl<T, P: Pack<T>> Out<P> for Turned<T, P> {
    #[inline(always)]
    unsafe fn put(&self, at: usize, re: P, im: Option<P>) {
        let [c, s] = self.phase;
        let (mut x, mut y) = (c.times(re), s.times(re));
        if let Some(im) = im {
            (x, y) = (s.times_from(im, x), c.times_plus(im, y));
        }
        // SAFETY: the caller's promise.
        unsafe { x.store_pairs(y, self.out.add(at).cast()) };
    }
}

kernel! {
    /// Adds `sum over rows y of lambda(y, x) conj(high(y, p))` to `out(p, x)`.
    pub(super) fn contract_columns<T as P>(
        lambda: Three<'_, T>,
        high: Three<'_, T>,
        panels: Range<usize>,
        rows: &[usize],
        grid: Grid,
        out: [&mut [T]; 2],
    ) {
        let is_real = high[1].is_empty();
        assert!(is_real || lambda.iter().all(|part| part.len() == lambda[0].len()));
        let out_parts = [&*out[0], &*out[1], &*out[1]];
        let sizes = Sizes::of(lambda[0].len(), out_parts, high, panels, rows, grid);
        let out = out.map(<[T]>::as_mut_ptr);
        in_blocks!(contract_columns_block, sizes.n_paths, grid.width >> P::LOG, is_real,
            (lambda, high, rows, sizes, out));
    }
}

kernel! {
    /// Adds `sum over columns x of lambda(y, x) conj(low(p, x))` to `out(y, p)`.
    pub(super) fn contract_rows<T as P>(
        lambda: Three<'_, T>,
        low: Three<'_, T>,
        panels: Range<usize>,
        rows: &[usize],
        grid: Grid,
        out: [&mut [T]; 2],
    ) {
        let is_real = low[1].is_empty();
        assert!(is_real || lambda.iter().all(|part| part.len() == lambda[0].len()));
        let out_parts = [&*out[0], &*out[1], &*out[1]];
        let sizes = Sizes::of(lambda[0].len(), low, out_parts, panels, rows, grid);
        let out = out.map(<[T]>::as_mut_ptr);
        in_blocks!(contract_rows_block, rows.len(), sizes.n_paths, is_real,
            (lambda, low, rows, sizes, out));
    }
}

/// Sizes that have been looked at.
#[derive(Clone, Copy)]
struct Sizes {
    n_paths: usize,
    /// From a path's rows to the next one's.
    by_path: usize,
    grid: Grid,
    first: usize,
    end: usize,
}

impl Sizes {
    /// Of a tile of so many numbers and the matrices that it is a product of.
    fn of<T>(
        len: usize,
        low: Three<'_, T>,
        high: Three<'_, T>,
        Range { start, end }: Range<usize>,
        rows: &[usize],
        grid: Grid,
    ) -> Self {
        let n_columns = len / rows.len();
        let n_paths = low[0].len() / n_columns;
        let Grid { width, by_panel, by_row } = grid;
        assert!([rows.len(), n_paths, width].iter().all(|n| n.is_power_of_two()));
        assert!(start < end && end * width <= n_columns && n_paths * n_columns == low[0].len());
        assert!((end - 1) * by_panel + (rows.len() - 1) * by_row + width <= len);
        let by_path = high[0].len() / n_paths;
        assert!(rows.iter().all(|row| *row < by_path));
        let is_real = low[1].is_empty();
        for operands in [low, high] {
            let rest = if is_real { 0 } else { operands[0].len() };
            assert!(operands[1..].iter().all(|part| part.len() == rest));
        }
        Self { n_paths, by_path, grid, first: start, end }
    }
}

/// Panels, and every so many columns in each of them.
#[inline(always)]
fn places(panels: Range<usize>, width: usize, step: usize) -> impl Iterator<Item = (usize, usize)> {
    panels.flat_map(move |panel| (0..width).step_by(step).map(move |x| (panel, x)))
}

#[inline(always)]
fn multiply_block<
    T: Real,
    P: Pack<T>,
    const PARTS: usize,
    const ROWS: usize,
    const VECTORS: usize,
>(
    low: Three<'_, T>,
    high: Three<'_, T>,
    rows: &[usize],
    Sizes { n_paths, by_path, grid: Grid { width, by_panel, by_row }, first, end }: Sizes,
    out: impl Out<P>,
) {
    let zero = P::splat(T::ZERO);
    assert!(width.is_multiple_of(VECTORS << P::LOG));
    let (low, high) = (low.map(<[T]>::as_ptr), high.map(<[T]>::as_ptr));
    // A panel's row is written as a whole before others, which are a power of two away.
    let chunks = |panel| rows.chunks_exact(ROWS).enumerate().map(move |chunk| (panel, chunk));
    for (panel, (i, rows)) in (first..end).flat_map(chunks) {
        for x in (0..width).step_by(VECTORS << P::LOG) {
            let mut sums = [[[zero; VECTORS]; ROWS]; PARTS];
            for p in 0..n_paths {
                // SAFETY, here and below: `Sizes` has looked at all lengths and rows, blocks cut
                // panels and rows without a rest, and no operands are looked at that are not there.
                each!(of three, PARTS, |k| {
                    let mut a = [zero; VECTORS];
                    each!(VECTORS, |v| {
                        let at = (panel * n_paths + p) * width + x + (v << P::LOG);
                        a[v] = unsafe { P::load(low[k].add(at)) };
                    });
                    each!(ROWS, |r| {
                        let c = P::splat(unsafe { *high[k].add(p * by_path + rows[r]) });
                        each!(VECTORS, |v| {
                            sums[k][r][v] = a[v].times_plus(c, sums[k][r][v]);
                        });
                    });
                });
            }
            each!(ROWS, |r| {
                each!(VECTORS, |v| {
                    let at = panel * by_panel + (i * ROWS + r) * by_row + x + (v << P::LOG);
                    let (mut re, mut im) = (sums[0][r][v], None);
                    if PARTS > 1 {
                        im = Some(re.plus(sums[1 % PARTS][r][v]));
                        re = re.minus(sums[2 % PARTS][r][v]);
                    }
                    unsafe { out.put(at, re, im) };
                });
            });
        }
    }
}

#[inline(always)]
fn contract_columns_block<
    T: Real,
    P: Pack<T>,
    const PARTS: usize,
    const PATHS: usize,
    const VECTORS: usize,
>(
    lambda: Three<'_, T>,
    high: Three<'_, T>,
    rows: &[usize],
    Sizes { n_paths, by_path, grid: Grid { width, by_panel, by_row }, first, end }: Sizes,
    out: [*mut T; 2],
) {
    let zero = P::splat(T::ZERO);
    assert!(width.is_multiple_of(VECTORS << P::LOG) && n_paths.is_multiple_of(PATHS));
    let (lambda, high) = (lambda.map(<[T]>::as_ptr), high.map(<[T]>::as_ptr));
    for (panel, x) in places(first..end, width, VECTORS << P::LOG) {
        for path in (0..n_paths).step_by(PATHS) {
            let mut sums = [[[zero; VECTORS]; PATHS]; PARTS];
            for (i, row) in rows.iter().enumerate() {
                // SAFETY, here and below: as above.
                each!(of three, PARTS, |k| {
                    let mut a = [zero; VECTORS];
                    each!(VECTORS, |v| {
                        let at = panel * by_panel + i * by_row + x + (v << P::LOG);
                        a[v] = unsafe { P::load(lambda[k].add(at)) };
                    });
                    each!(PATHS, |p| {
                        let c = P::splat(unsafe { *high[k].add((path + p) * by_path + row) });
                        each!(VECTORS, |v| {
                            sums[k][p][v] = a[v].times_plus(c, sums[k][p][v]);
                        });
                    });
                });
            }
            each!(PATHS, |p| {
                each!(VECTORS, |v| {
                    let at = (panel * n_paths + path + p) * width + x + (v << P::LOG);
                    let mut sum = sums[0][p][v];
                    unsafe {
                        if PARTS > 1 {
                            let to = out[1].add(at);
                            P::load(to).plus(sum.minus(sums[1 % PARTS][p][v])).store(to);
                            sum = sum.plus(sums[2 % PARTS][p][v]);
                        }
                        P::load(out[0].add(at)).plus(sum).store(out[0].add(at));
                    }
                });
            });
        }
    }
}

#[inline(always)]
fn contract_rows_block<
    T: Real,
    P: Pack<T>,
    const PARTS: usize,
    const ROWS: usize,
    const PATHS: usize,
>(
    lambda: Three<'_, T>,
    low: Three<'_, T>,
    rows: &[usize],
    Sizes { n_paths, by_path, grid: Grid { width, by_panel, by_row }, first, end }: Sizes,
    out: [*mut T; 2],
) {
    let zero = P::splat(T::ZERO);
    assert!(width.is_multiple_of(1 << P::LOG) && n_paths.is_multiple_of(PATHS));
    let (lambda, low) = (lambda.map(<[T]>::as_ptr), low.map(<[T]>::as_ptr));
    for (i, rows) in rows.chunks_exact(ROWS).enumerate() {
        for path in (0..n_paths).step_by(PATHS) {
            let mut sums = [[[zero; PATHS]; ROWS]; PARTS];
            for panel in first..end {
                let of_low = (panel * n_paths + path) * width;
                let of_lambda = panel * by_panel + i * ROWS * by_row;
                for x in (0..width).step_by(1 << P::LOG) {
                    // SAFETY, here and below: as above.
                    each!(of three, PARTS, |k| {
                        let mut c = [zero; PATHS];
                        each!(PATHS, |p| {
                            c[p] = unsafe { P::load(low[k].add(of_low + p * width + x)) };
                        });
                        each!(ROWS, |r| {
                            let a = unsafe { P::load(lambda[k].add(of_lambda + r * by_row + x)) };
                            each!(PATHS, |p| {
                                sums[k][r][p] = a.times_plus(c[p], sums[k][r][p]);
                            });
                        });
                    });
                }
            }
            each!(ROWS, |r| {
                each!(PATHS, |p| {
                    let at = (path + p) * by_path + rows[r];
                    let sum = |sum: P| T::from_f64(lanes(sum).sum());
                    let first = sums[0][r][p];
                    unsafe {
                        if PARTS == 1 {
                            *out[0].add(at) += sum(first);
                        } else {
                            *out[0].add(at) += sum(first.plus(sums[2 % PARTS][r][p]));
                            *out[1].add(at) += sum(first.minus(sums[1 % PARTS][r][p]));
                        }
                    }
                });
            });
        }
    }
}
