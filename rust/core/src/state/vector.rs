//! Amplitudes and the room to work on them.

use num_complex::Complex;

use super::array::Array;
use super::permute::Gather;
use super::readout::{BLOCK, Readout};
use super::real::{Real, fma};
use super::simulate::Program;
use super::tiles::Shared;
use crate::parallel::{Threads, for_pieces};
use crate::simd::kernel;

/// Amplitudes, real and imaginary parts apart.
#[derive(Debug)]
pub struct Vector<T> {
    /// Real parts.
    pub re: Array<T>,
    /// Imaginary parts; whatever stands here means nothing while `is_real`.
    pub im: Array<T>,
    /// Whether all amplitudes are real, as they are until the first phase: half the work.
    pub is_real: bool,
    /// The angle of a phase of the whole, which is not multiplied in.
    pub turned: f64,
}

impl<T: Real> Vector<T> {
    /// Room for `n_qubits` qubits; nothing is in it yet.
    pub fn new(n_qubits: usize) -> Self {
        Self::beside(PLACES[..2].try_into().expect("two of four"), 1 << n_qubits)
    }

    /// Room for the cotangent of a state.
    fn cotangent(n_qubits: usize) -> Self {
        Self::beside(PLACES[2..].try_into().expect("two of four"), 1 << n_qubits)
    }

    /// No room at all.
    fn nowhere() -> Self {
        Self::beside([0, 0], 0)
    }

    fn beside(places: [usize; 2], len: usize) -> Self {
        let [re, im] = places.map(|place| Array::beside(place, len));
        Self { re, im, is_real: true, turned: 0.0 }
    }

    /// Makes it so long, as [`Array::set_len`] does.
    pub(super) fn set_len(&mut self, len: usize) {
        self.re.set_len(len);
        self.im.set_len(len);
    }

    /// Joins qubits above the others, each in a state of its own.
    pub(super) fn join(&mut self, qubits: &[[f64; 2]]) {
        for pair in qubits {
            let half = self.re.len();
            self.set_len(2 * half);
            for part in self.parts() {
                let (zeros, ones) = part.split_at_mut(half);
                spread(zeros, ones, pair.map(T::from_f64));
            }
        }
    }

    /// Takes the highest qubits off again: what is left is what belongs to their states.
    pub(super) fn part_from(&mut self, qubits: &[[f64; 2]]) {
        for pair in qubits.iter().rev() {
            let half = self.re.len() / 2;
            for part in self.parts() {
                let (zeros, ones) = part.split_at_mut(half);
                project(zeros, ones, pair.map(T::from_f64));
            }
            self.set_len(half);
        }
    }

    /// The parts that are in use.
    pub fn parts(&mut self) -> impl Iterator<Item = &mut Array<T>> {
        [&mut self.re, &mut self.im].into_iter().take(if self.is_real { 1 } else { 2 })
    }

    /// Makes this vector the other one, of the same length.
    pub(super) fn copy_from(&mut self, other: &Self) {
        (self.is_real, self.turned) = (other.is_real, other.turned);
        for (part, from) in self.parts().zip([&other.re, &other.im]) {
            part.copy_from_slice(from);
        }
    }

    /// Makes the imaginary part a part in use.
    pub fn make_complex(&mut self) {
        if self.is_real {
            self.im.fill(T::ZERO);
            self.is_real = false;
        }
    }

    /// Makes this the vector `(factors - shift) * other`, amplitude by amplitude. The factors come in
    /// the order that a gather takes them from, if there is one.
    pub(super) fn set_scaled(
        &mut self,
        other: &Self,
        factors: &[f64],
        shift: f64,
        gather: Option<&Gather>,
    ) {
        self.is_real = other.is_real;
        let mut room = [0.0; 1 << BLOCK];
        let len = gather.map_or(factors.len(), Gather::tile_len);
        for (number, start) in (0..factors.len()).step_by(len).enumerate() {
            let range = start..start + len;
            let factors = if let Some(gather) = gather {
                gather.run(factors, &mut room[..len], number);
                &room[..len]
            } else {
                factors
            };
            for (part, from) in self.parts().zip([&other.re, &other.im]) {
                scale(&mut part[range.clone()], &from[range.clone()], factors, shift);
            }
        }
    }

    /// Writes |amplitude|^2, relabelled if outcomes are.
    pub(super) fn probabilities(
        &self,
        out: &mut [f64],
        readout: Option<&Readout>,
        threads: Threads,
    ) {
        self.read(out, readout, threads, |out, re, im| {
            square(out, re);
            if !self.is_real {
                add_square(out, im);
            }
        });
    }

    /// Writes the amplitudes as complex numbers, relabelled if outcomes are.
    pub(super) fn amplitudes(
        &self,
        out: &mut [Complex<T>],
        readout: Option<&Readout>,
        threads: Threads,
    ) {
        let (sin, cos) = self.turned.sin_cos();
        let (c, s) = (T::from_f64(cos), T::from_f64(sin));
        self.read(out, readout, threads, |out, re, im| match (self.is_real, self.turned != 0.0) {
            (true, _) => pair_real(out, re, c, s),
            (false, false) => pair(out, re, im),
            (false, true) => pair_turned(out, re, im, c, s),
        });
    }

    /// Writes what a function makes of real and imaginary parts, of which the latter mean nothing
    /// while the vector is real.
    fn read<R: Copy + Send>(
        &self,
        out: &mut [R],
        readout: Option<&Readout>,
        threads: Threads,
        write: impl Fn(&mut [R], &[T], &[T]) + Sync,
    ) {
        let shared = Shared::new(out);
        for_pieces(threads, self.re.len(), |range| {
            let Some(readout) = readout else {
                // SAFETY: pieces do not overlap.
                let out = unsafe { shared.piece(range.clone()) };
                return write(out, &self.re[range.clone()], &self.im[range]);
            };
            let mut room = [[T::ZERO; 1 << BLOCK]; 2];
            let gather = &readout.amplitudes;
            let len = gather.tile_len();
            for i in range.start / len..range.end / len {
                let number = readout.order.apply(i as u64) as usize;
                let [re, im] = room.each_mut().map(|part| &mut part[..len]);
                gather.run(&self.re, re, number);
                if !self.is_real {
                    gather.run(&self.im, im, number);
                }
                // SAFETY: pieces have different numbers, which the order takes to different blocks.
                write(unsafe { shared.piece(number * len..(number + 1) * len) }, re, im);
            }
        });
    }
}

kernel! {
    /// Multiplies `zeros` by both amplitudes of a bit.
    fn spread<T>(zeros: &mut [T], ones: &mut [T], pair: [T; 2]) {
        let [a, b] = pair;
        if b == T::ZERO && a == T::ONE {
            return ones.fill(b);
        }
        for (x, y) in zeros.iter_mut().zip(ones) {
            (*x, *y) = (a * *x, b * *x);
        }
    }
}

kernel! {
    /// Leaves in `zeros` what belongs to a bit's state.
    fn project<T>(zeros: &mut [T], ones: &[T], pair: [T; 2]) {
        let [a, b] = pair;
        if b == T::ZERO && a == T::ONE {
            return;
        }
        for (x, y) in zeros.iter_mut().zip(ones) {
            *x = fma::<T, FMA>(b, *y, a * *x);
        }
    }
}

kernel! {
    /// values * (factors - shift).
    fn scale<T>(out: &mut [T], values: &[T], factors: &[f64], shift: f64) {
        for ((x, y), f) in out.iter_mut().zip(values).zip(factors) {
            *x = T::from_f64(f - shift) * *y;
        }
    }
}

kernel! {
    fn square<T>(out: &mut [f64], values: &[T]) {
        for (q, x) in out.iter_mut().zip(values) {
            *q = x.to_f64() * x.to_f64();
        }
    }
}

kernel! {
    fn add_square<T>(out: &mut [f64], values: &[T]) {
        for (q, x) in out.iter_mut().zip(values) {
            *q = fma::<f64, FMA>(x.to_f64(), x.to_f64(), *q);
        }
    }
}

kernel! {
    fn pair<T>(out: &mut [Complex<T>], re: &[T], im: &[T]) {
        for (z, (x, y)) in out.iter_mut().zip(re.iter().zip(im)) {
            *z = Complex::new(*x, *y);
        }
    }
}

kernel! {
    /// Real numbers times the phase (c, s).
    fn pair_real<T>(out: &mut [Complex<T>], re: &[T], c: T, s: T) {
        for (z, x) in out.iter_mut().zip(re) {
            *z = Complex::new(c * *x, s * *x);
        }
    }
}

kernel! {
    /// Complex numbers times the phase (c, s).
    fn pair_turned<T>(out: &mut [Complex<T>], re: &[T], im: &[T], c: T, s: T) {
        for (z, (x, y)) in out.iter_mut().zip(re.iter().zip(im)) {
            *z = Complex::new(c * *x - s * *y, s * *x + c * *y);
        }
    }
}

/// Where the parts of a state and of its cotangent start, and room for them.
const PLACES: [usize; 4] = [0, 2, 1, 3];

/// Room to relabel the parts of a state and, if there is one, of its cotangent.
pub(super) type Spare<T> = Vec<Array<T>>;

/// What one thread works on.
pub(super) struct TileRoom<T> {
    /// A tile of the state.
    pub psi: Vector<T>,
    /// The same tile of its cotangent.
    pub lambda: Vector<T>,
    /// Room to relabel them.
    pub spare: Spare<T>,
    /// A tile of the values that the cotangent is made of.
    pub cotangent: Array<f64>,
}

impl<T: Real> TileRoom<T> {
    /// Room for tiles of so many qubits, or, for a state that is one tile, only for relabelling it.
    fn new(tile_qubits: usize, is_whole: bool) -> Self {
        let psi = if is_whole { Vector::nowhere() } else { Vector::new(tile_qubits) };
        let (lambda, cotangent) = (Vector::nowhere(), Array::new(0));
        let mut room = Self { psi, lambda, spare: Vec::new(), cotangent };
        room.add_spare(tile_qubits, 2);
        room
    }

    /// Makes room for the cotangent too.
    fn add_cotangent(&mut self, tile_qubits: usize, is_whole: bool) {
        if self.spare.len() < PLACES.len() {
            self.add_spare(tile_qubits, PLACES.len());
            if !is_whole {
                self.lambda = Vector::cotangent(tile_qubits);
                self.cotangent = Array::new(1 << tile_qubits);
            }
        }
    }

    fn add_spare(&mut self, tile_qubits: usize, number: usize) {
        let missing = &PLACES[self.spare.len()..number];
        self.spare.extend(missing.iter().map(|place| Array::beside(*place, 1 << tile_qubits)));
    }
}

/// Room for the tiles of a program's sweeps, for each thread.
pub struct Rooms<T> {
    tile_qubits: usize,
    is_whole: bool,
    rooms: Vec<TileRoom<T>>,
}

impl<T: Real> Rooms<T> {
    /// None yet: they are made when first needed.
    pub fn new(program: &Program) -> Self {
        let (tile_qubits, is_whole) = (program.tile_qubits(), program.is_small());
        Self { tile_qubits, is_whole, rooms: Vec::new() }
    }

    /// The same, with room for the cotangent.
    pub(super) fn get_both(&mut self, threads: Threads) -> &mut [TileRoom<T>] {
        let (tile_qubits, is_whole) = (self.tile_qubits, self.is_whole);
        let rooms = self.get(threads);
        rooms.iter_mut().for_each(|room| room.add_cotangent(tile_qubits, is_whole));
        rooms
    }

    /// One for each thread.
    pub(super) fn get(&mut self, threads: Threads) -> &mut [TileRoom<T>] {
        let n = threads.number();
        while self.rooms.len() < n {
            self.rooms.push(TileRoom::new(self.tile_qubits, self.is_whole));
        }
        &mut self.rooms[..n]
    }
}

/// What a thread needs to run states one after the other.
pub struct Workspace<T> {
    /// The state.
    pub psi: Vector<T>,
    /// Its cotangent in the backward pass.
    pub lambda: Vector<T>,
    /// Room for tiles of them.
    pub rooms: Rooms<T>,
}

impl<T: Real> Workspace<T> {
    /// Room for a program's states.
    pub fn new(program: &Program) -> Self {
        Self::of(program, Vector::new(program.plan().n_qubits()))
    }

    /// The same around a state that is there already.
    pub fn of(program: &Program, psi: Vector<T>) -> Self {
        let lambda = Vector::cotangent(program.plan().n_qubits());
        Self { psi, lambda, rooms: Rooms::new(program) }
    }
}
