//! The beginning of a circuit as a product of two small matrices.
//!
//! With the states of the sides of a [`Cut`], `psi(x, y) = sum over p of low(p, x) high(y, p)`, x being
//! the low qubits, y the high ones and p the paths. A tile is written by one product of matrices. Going
//! backward the sides' cotangents are two more, `sum over y of lambda(y, x) conj(high(y, p))` and the
//! same with the sides exchanged; from there each side goes back as any circuit does.

mod direct;
mod places;
mod products;

use std::borrow::Cow;
use std::ops::{DerefMut, Range};

use super::adjoint::Start;
use super::array::Array;
use super::product::scale;
use super::real::Real;
use super::simulate::{Evolution, Program};
use super::tiles::Layout;
use super::vector::{Rooms, Vector, Workspace};
use crate::circuit::{Cut, LinearMap};
use crate::memory::LINE;
use crate::parallel::{Threads, map_tasks};
use crate::simd::kernel;
pub use direct::Read;
use direct::Shear;
use places::Places;
use products::{Grid, PANEL, Three, contract_columns, contract_rows, multiply};

/// The compiled sides of a cut, for tiles of a layout.
#[derive(Debug, Clone)]
pub struct Sides {
    n_paths: usize,
    programs: [Program; 2],
    /// How each side's amplitudes come to be operands of products.
    pieces: [Pieces; 2],
    places: Places,
    shear: Option<Shear>,
    /// Whether each side is work for a thread of its own.
    threads: Threads,
}

impl Sides {
    /// Compiles both sides of a cut, which a relabelling follows.
    pub fn new(cut: Cut, layout: &Layout, relabelling: &LinearMap) -> Self {
        let Cut { n_low, n_paths, sides, rest } = cut;
        let is_all = rest.stages().is_empty();
        let (n_paths, n_high) = (1 << n_paths, layout.order().len() - n_low);
        Self {
            n_paths,
            pieces: [Pieces::in_panels(1 << n_low, n_paths), Pieces::apart(1 << n_high, n_paths)],
            programs: sides.map(Program::uncut),
            places: Places::new(n_low, layout),
            shear: Shear::of(relabelling, n_low).filter(|_| is_all),
            threads: if layout.is_whole() { Threads::One } else { Threads::Pool },
        }
    }

    /// Whether the state need not be written to be read.
    pub fn are_direct(&self) -> bool {
        self.shear.is_some()
    }

    /// Rows of the product.
    fn n_rows(&self) -> usize {
        (1 << self.programs[1].plan().n_qubits()) / self.n_paths
    }

    /// Runs them at given parameters.
    pub fn at<T: Real>(&self, params: &[f64], all_phases: bool) -> Halves<'_, T> {
        let run = |side: usize| {
            let program = &self.programs[side];
            let evolution = program.at(params, all_phases);
            let mut psi = Vector::new(program.plan().n_qubits());
            evolution.run(&mut psi, &mut Rooms::new(program), Threads::One);
            Side { program, evolution, psi }
        };
        let mut sides = both(self.threads, run);
        let is_real = sides.iter().all(|side| side.psi.is_real);
        if !is_real {
            sides.iter_mut().for_each(|side| side.psi.make_complex());
        }
        // Each path bit is read by one of the sides, where both values have a weight of sqrt(1/2).
        let factor = T::from_f64((self.n_paths as f64).sqrt());
        let operands = |side: usize, factor| {
            Operands::new(parts(&sides[side].psi), factor, &self.pieces[side])
        };
        let (low, high) = (operands(0, T::ONE), operands(1, factor));
        Halves { all: self, sides, factor, low, high }
    }
}

/// A side at given parameters.
struct Side<'a, T> {
    program: &'a Program,
    evolution: Evolution<'a, T>,
    psi: Vector<T>,
}

/// Both sides at given parameters.
pub struct Halves<'a, T> {
    all: &'a Sides,
    sides: [Side<'a, T>; 2],
    /// What the sides' states lack.
    factor: T,
    /// The low side, panel by panel and path by path there, and the high side times the factor, path by
    /// path and row by row there.
    low: Operands<T>,
    high: Operands<T>,
}

/// What products with a complex matrix are made of, or with a real one: then it has the first part only.
struct Operands<T> {
    parts: [Array<T>; 2],
    sum: Array<T>,
    /// The imaginary part less the real one.
    difference: Array<T>,
}

impl<T: Real> Operands<T> {
    /// Of a side's amplitudes, times a factor.
    fn new([re, im]: Parts<'_, T>, factor: T, pieces: &Pieces) -> Self {
        let of_complex = if im.is_empty() { 0 } else { pieces.total };
        let array = |quarter, len| Array::beside(quarter, len);
        let [mut x, mut y] = [array(0, pieces.total), array(1, of_complex)];
        let [mut sum, mut difference] = [array(2, of_complex), array(3, of_complex)];
        for [from, to] in pieces.ranges() {
            scale(&mut x[to.clone()], &re[from.clone()], factor);
            if !im.is_empty() {
                scale(&mut y[to.clone()], &im[from], factor);
                combine(&x[to.clone()], &y[to.clone()], &mut sum[to.clone()], &mut difference[to]);
            }
        }
        Self { parts: [x, y], sum, difference }
    }

    /// To be multiplied by [`Self::second`].
    fn first(&self) -> Three<'_, T> {
        [&self.parts[0], &self.difference, &self.sum]
    }

    /// To be multiplied by [`Self::first`].
    fn second(&self) -> Three<'_, T> {
        let [re, im] = &self.parts;
        if self.is_real() { [re, &[], &[]] } else { [&self.sum, re, im] }
    }

    /// For a cotangent's products with the conjugate.
    fn conjugate(&self) -> Three<'_, T> {
        [&self.parts[0], &self.sum, &self.difference]
    }

    fn is_real(&self) -> bool {
        self.parts[1].is_empty()
    }
}

/// A cotangent's parts and their sum, in the order that [`Operands::conjugate`] asks for.
fn cotangent<'a, T>(re: &'a [T], im: &'a [T], sum: &'a [T]) -> Three<'a, T> {
    [sum, re, im]
}

/// Cotangents of the sides, in the order of their operands.
pub struct Cotangents<T>([[Array<T>; 2]; 2]);

impl<T: Real> Cotangents<T> {
    /// Adds another's.
    pub fn add(&mut self, other: &Self) {
        for (to, from) in self.0.as_flattened_mut().iter_mut().zip(other.0.as_flattened()) {
            to.iter_mut().zip(&**from).for_each(|(x, y)| *x += *y);
        }
    }
}

impl<T: Real> Halves<'_, T> {
    /// Writes tile number `number`.
    pub fn write(&self, number: usize, tile: &mut Vector<T>) {
        tile.is_real = self.is_real();
        let rows = self.all.places.rows(number);
        let low = self.low.first().map(|part| self.of_tile(number, part));
        let low = low.each_ref().map(|part| &part[..]);
        let (grid, panels) = self.grid();
        multiply(low, self.high.second(), panels, &rows, grid, [&mut tile.re, &mut tile.im]);
    }

    /// How a tile lies, and its panels.
    fn grid(&self) -> (Grid, Range<usize>) {
        let n_columns = self.all.places.n_columns();
        let grid = Grid::by_rows(n_columns);
        (grid, 0..n_columns / grid.width)
    }

    /// No cotangents yet.
    pub fn no_cotangents(&self) -> Cotangents<T> {
        let zeros = |part: &Array<T>| {
            let mut zeros = Array::new(part.len());
            zeros.fill(T::ZERO);
            zeros
        };
        Cotangents([&self.low, &self.high].map(|side| side.parts.each_ref().map(zeros)))
    }

    /// Adds what a tile of the whole's cotangent makes of the sides'.
    pub fn contract(&self, number: usize, lambda: &Vector<T>, found: &mut Cotangents<T>) {
        let (places, n_paths) = (&self.all.places, self.all.n_paths);
        let rows = places.rows(number);
        let low = self.low.conjugate().map(|part| self.of_tile(number, part));
        let low = low.each_ref().map(|part| &part[..]);
        let sum: Vec<T>;
        // Where both sides are real, so is how they change: it only meets the real part.
        let lambda = if self.is_real() {
            [&lambda.re[..], &[], &[]]
        } else {
            sum = lambda.re.iter().zip(&*lambda.im).map(|(x, y)| *x + *y).collect();
            cotangent(&lambda.re, &lambda.im, &sum)
        };
        let [of_low, of_high] = &mut found.0;
        let (grid, panels) = self.grid();
        contract_rows(lambda, low, panels.clone(), &rows, grid, parts_mut(of_high));
        let high = self.high.conjugate();
        if places.has_all_columns() {
            return contract_columns(lambda, high, panels, &rows, grid, parts_mut(of_low));
        }
        let n_numbers = n_paths * places.n_columns();
        let mut own = of_low.each_ref().map(|part| vec![T::ZERO; n_numbers.min(part.len())]);
        contract_columns(lambda, high, panels, &rows, grid, parts_mut(&mut own));
        for (own, all) in own.iter().zip(of_low).filter(|(own, _)| !own.is_empty()) {
            for (i, x) in places.columns(number).enumerate() {
                for p in 0..n_paths {
                    all[in_panel(p, x, n_paths, PANEL)] += own[in_panel(p, i, n_paths, grid.width)];
                }
            }
        }
    }

    /// Adds the derivatives that the sides' cotangents make.
    pub fn pull_back(&self, found: Cotangents<T>, gradient: &mut [f64]) {
        let slopes = both(self.all.threads, |side: usize| {
            let Side { program, evolution, psi } = &self.sides[side];
            let mut room = Workspace::new(program);
            room.psi.copy_from(psi);
            room.lambda.is_real = psi.is_real;
            let factor = [T::ONE, self.factor][side];
            for (part, found) in room.lambda.parts().zip(&found.0[side]) {
                for [from, to] in self.all.pieces[side].ranges() {
                    scale(&mut part[from], &found[to], factor);
                }
            }
            let mut slopes = vec![0.0; gradient.len()];
            evolution.adjoint(Start::Room, &mut room, &mut slopes, Threads::One);
            slopes
        });
        for own in slopes {
            gradient.iter_mut().zip(own).for_each(|(sum, slope)| *sum += slope);
        }
    }

    fn is_real(&self) -> bool {
        self.high.is_real()
    }

    /// A tile's columns of the low side's operands.
    fn of_tile<'a>(&self, number: usize, all: &'a [T]) -> Cow<'a, [T]> {
        let (places, n_paths) = (&self.all.places, self.all.n_paths);
        if places.has_all_columns() || all.is_empty() {
            return Cow::Borrowed(all);
        }
        let width = places.n_columns().min(PANEL);
        let mut own = vec![T::ZERO; n_paths * places.n_columns()];
        for (i, x) in places.columns(number).enumerate() {
            for p in 0..n_paths {
                own[in_panel(p, i, n_paths, width)] = all[in_panel(p, x, n_paths, PANEL)];
            }
        }
        Cow::Owned(own)
    }
}

/// Does some work for each side.
fn both<R: Send>(threads: Threads, work: impl Fn(usize) -> R + Sync + Send) -> [R; 2] {
    let sides = map_tasks(threads, 2, work).try_into();
    sides.unwrap_or_else(|_| unreachable!("two tasks"))
}

/// Where the number of path p and column x stands in panels of some width.
fn in_panel(p: usize, x: usize, n_paths: usize, width: usize) -> usize {
    (x / width * n_paths + p) * width + x % width
}

/// Where a side's numbers, which stand path by path, stand among operands: piece by piece.
#[derive(Debug, Clone)]
struct Pieces {
    /// Where each piece starts, in both.
    starts: Vec<[usize; 2]>,
    /// Numbers of a piece.
    len: usize,
    /// Numbers of operands.
    total: usize,
}

impl Pieces {
    /// Panel by panel, and path by path there.
    fn in_panels(n_columns: usize, n_paths: usize) -> Self {
        let starts = |p: usize, x: usize| [p * n_columns + x, in_panel(p, x, n_paths, PANEL)];
        let panels = (0..n_columns).step_by(PANEL);
        let starts = panels.flat_map(|x| (0..n_paths).map(move |p| starts(p, x))).collect();
        Self { starts, len: PANEL.min(n_columns), total: n_columns * n_paths }
    }

    /// Path by path, with some room after each.
    fn apart(n_rows: usize, n_paths: usize) -> Self {
        let with_room = n_rows + LINE / size_of::<f64>();
        let starts = (0..n_paths).map(|p| [p * n_rows, p * with_room]).collect();
        Self { starts, len: n_rows, total: n_paths * with_room }
    }

    fn ranges(&self) -> impl Iterator<Item = [Range<usize>; 2]> + '_ {
        self.starts.iter().map(|starts| starts.map(|start| start..start + self.len))
    }
}

kernel! {
    /// The sums and the differences of two parts.
    fn combine<T>(re: &[T], im: &[T], sums: &mut [T], differences: &mut [T]) {
        let out = sums.iter_mut().zip(differences);
        for ((x, y), (sum, difference)) in re.iter().zip(im).zip(out) {
            (*sum, *difference) = (*x + *y, *y - *x);
        }
    }
}

/// Real and imaginary parts.
type Parts<'a, T> = [&'a [T]; 2];

/// The parts of a vector, the imaginary one empty where it is real.
fn parts<T: Real>(psi: &Vector<T>) -> Parts<'_, T> {
    [&psi.re, if psi.is_real { &[] } else { &psi.im }]
}

fn parts_mut<T: Real>(parts: &mut [impl DerefMut<Target = [T]>; 2]) -> [&mut [T]; 2] {
    parts.each_mut().map(|part| &mut part[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Angle, Circuit, Gate, Plan, gate};

    /// Gates of all kinds on any qubits, and as many parameters as have an angle.
    fn some_circuit(n_qubits: usize, n_gates: usize, seed: u64) -> Circuit {
        let mut circuit = Circuit::new(n_qubits, 1).unwrap();
        let mut state = seed;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..n_gates {
            let spec = &gate::TABLE[draw(gate::TABLE.len())];
            let q = draw(n_qubits);
            let pair = [q, (q + 1 + draw(n_qubits - 1)) % n_qubits];
            let angle = spec.generator.map(|_| Angle::Param(circuit.n_params()));
            circuit.push(spec.gate, &pair[..spec.n_qubits], angle).unwrap();
        }
        circuit
    }

    /// The same of a program that can be read without writing its state, its derivatives outcome by
    /// outcome, and its probabilities.
    fn direct_results<T: Real>(program: &Program, n_params: usize) -> [Vec<f64>; 4] {
        let (n_qubits, params, f) = (program.plan().n_qubits(), params(n_params), costs(program));
        let evolution = program.at::<T>(&params, true);
        let mut amplitudes = vec![num_complex::Complex::default(); 1 << n_qubits];
        evolution.read(Read::Amplitudes(&mut amplitudes), Threads::One);
        let mut probabilities = vec![0.0; 1 << n_qubits];
        evolution.read(Read::Probabilities(&mut probabilities), Threads::One);
        let mut gradient = vec![0.0; n_params];
        let asked = Read::Gradient { cotangent: &f, shift: 0.5, gradient: &mut gradient };
        evolution.read(asked, Threads::One);
        // Each outcome in two parts, the last one first.
        let outcomes: Vec<u32> = (0..2 << n_qubits).rev().map(|i| i >> 1).collect();
        let cotangent: Vec<f64> = outcomes.iter().map(|z| f[*z as usize] / 2.0).collect();
        let mut one_by_one = vec![0.0; n_params];
        let (outcomes, cotangent) = (&outcomes[..], &cotangent[..]);
        let asked = Read::GradientAt { outcomes, cotangent, gradient: &mut one_by_one };
        evolution.read(asked, Threads::One);
        let parts = amplitudes.iter().flat_map(|z| [z.re.to_f64(), z.im.to_f64()]);
        [parts.collect(), gradient, one_by_one, probabilities]
    }

    fn params(n_params: usize) -> Vec<f64> {
        (0..n_params).map(|i| (i * i) as f64 * 0.37 - 2.0).collect()
    }

    fn costs(program: &Program) -> Vec<f64> {
        (0..1usize << program.plan().n_qubits()).map(|z| (z * 7919 % 101) as f64 / 50.0).collect()
    }

    /// Amplitudes, and the derivatives of an expectation.
    fn results<T: Real>(program: &Program, n_params: usize) -> [Vec<f64>; 2] {
        let (n_qubits, params, f) = (program.plan().n_qubits(), params(n_params), costs(program));
        let mut gradient = vec![0.0; n_params];
        let mut room = Workspace::<T>::new(program);
        let evolution = program.at(&params, true);
        evolution.run(&mut room.psi, &mut room.rooms, Threads::One);
        let mut amplitudes = vec![num_complex::Complex::default(); 1 << n_qubits];
        program.amplitudes(&room.psi, &mut amplitudes, Threads::One);
        let start = Start::State { psi: None, cotangent: &f, shift: 0.0 };
        evolution.adjoint(start, &mut room, &mut gradient, Threads::One);
        let parts = amplitudes.iter().flat_map(|z| [z.re.to_f64(), z.im.to_f64()]);
        [parts.collect(), gradient]
    }

    fn check<T: Real>(circuit: &Circuit, n_low: usize, tolerance: f64) {
        let n_params = circuit.n_params();
        let (plan, relabelling) = Plan::new(circuit).unwrap().relabelled();
        let expected =
            results::<T>(&Program::of(plan.clone(), None, relabelling.clone()), n_params);
        for n_stages in 0..=plan.stages().len() {
            let cut = Cut::new(&plan, n_low, n_stages);
            if cut.n_paths > 7 {
                break;
            }
            let program = Program::of(plan.clone(), Some(cut), relabelling.clone());
            let found = results::<T>(&program, n_params);
            let is_near = |found: &[Vec<f64>]| {
                let pairs = found.iter().flatten().zip(expected.iter().flatten());
                pairs.fold(true, |all, (x, y)| all & ((x - y).abs() < tolerance))
            };
            assert!(is_near(&found), "cut at {n_low}, {n_stages}");
            if program.is_direct() {
                let [amplitudes, gradient, one_by_one, probabilities] =
                    direct_results::<T>(&program, n_params);
                for (p, z) in probabilities.iter().zip(amplitudes.chunks(2)) {
                    assert!((p - z[0] * z[0] - z[1] * z[1]).abs() < tolerance);
                }
                for gradient in [gradient, one_by_one] {
                    let found = [amplitudes.clone(), gradient];
                    assert!(is_near(&found), "direct, cut at {n_low}, {n_stages}");
                }
            }
        }
    }

    /// Layers of rotations and a chain from the lowest qubit to the highest, with a NOT at the end.
    fn chain(n_qubits: usize, n_layers: usize) -> Circuit {
        let mut circuit = Circuit::new(n_qubits, 1).unwrap();
        for _ in 0..n_layers {
            for q in 0..n_qubits {
                for gate in [Gate::Ry, Gate::Rz] {
                    let next = Angle::Param(circuit.n_params());
                    circuit.push(gate, &[q], Some(next)).unwrap();
                }
            }
            for q in 0..n_qubits - 1 {
                circuit.push(Gate::Cx, &[q, q + 1], None).unwrap();
            }
        }
        circuit.push(Gate::X, &[2], None).unwrap();
        circuit
    }

    #[test]
    fn a_chain_is_read_without_being_written() {
        for (n_qubits, n_low) in [(10, 6), (12, 6), (15, 7)] {
            let circuit = chain(n_qubits, 4);
            let (plan, relabelling) = Plan::new(&circuit).unwrap().relabelled();
            let cut = Cut::new(&plan, n_low, plan.stages().len());
            assert!(Program::of(plan, Some(cut), relabelling).is_direct());
            check::<f64>(&circuit, n_low, 1e-12);
            check::<f32>(&circuit, n_low, 1e-4);
        }
    }

    #[test]
    fn a_cut_changes_nothing() {
        for seed in 0..60 {
            let (n_qubits, n_gates) = (10 + seed as usize % 2, 20 + seed as usize);
            let n_low = 5 + seed as usize % 3 % (n_qubits - 9);
            check::<f64>(&some_circuit(n_qubits, n_gates, seed), n_low, 1e-12);
        }
        check::<f32>(&some_circuit(11, 60, 7), 5, 1e-4);
    }

    #[test]
    fn tiles_of_a_cut_state_are_put_together() {
        for seed in 0..6 {
            check::<f64>(&some_circuit(15, 50, seed), 7, 1e-12);
        }
    }
}
