//! Running a plan backward: all derivatives in one pass.
//!
//! Jones & Gacon 2020 (arXiv 2009.02823). With `psi` the final state and `lambda = f psi` for a
//! cotangent `f`, both are carried back stage by stage, and each angle's derivative is read off
//! where the angle stands. Angles are affine in the parameters, so derivatives are pulled back
//! through the same coefficients.

use super::bound::{Beginning, Bound, Reading};
use super::halves::{Cotangents, Halves};
use super::permute::Gather;
use super::real::Real;
use super::simulate::{Evolution, Sweep};
use super::tiles::{Layout, Shared, n_tasks, tiles_of};
use super::vector::{Spare, TileRoom, Vector, Workspace};
use crate::parallel::{Threads, map_tasks_with};

/// What the way back starts from.
pub enum Start<'a, T> {
    /// `psi` and `lambda` in the room.
    Room,
    /// A state, and the cotangent's values less a shift.
    State {
        /// The state that [`Evolution::run`] left, which stays as it is; if none, it is `psi` in the
        /// room.
        psi: Option<&'a Vector<T>>,
        /// For every outcome.
        cotangent: &'a [f64],
        /// Taken off all of them: a constant has no gradient, but its rounding errors would.
        shift: f64,
    },
}

impl<T: Real> Evolution<'_, T> {
    /// Adds to `gradient` the derivatives of `sum_z f(z) |psi(z)|^2` by the parameters. What is in the
    /// room is used up.
    pub fn adjoint(
        &self,
        start: Start<'_, T>,
        room: &mut Workspace<T>,
        gradient: &mut [f64],
        threads: Threads,
    ) {
        T::adjoint(self, start, room, gradient, threads);
    }

    pub(super) fn backward(
        &self,
        mut start: Start<'_, T>,
        room: &mut Workspace<T>,
        gradient: &mut [f64],
        threads: Threads,
    ) {
        let sweeps = self.program.sweeps().iter().zip(&self.sweeps).enumerate();
        for (i, (Sweep { layout, steps }, bound)) in sweeps.rev() {
            let beginning = (i == 0).then_some(&self.beginning);
            let back = Back { layout, steps: bound, beginning, values: self.program.values() };
            let found = back.run(std::mem::replace(&mut start, Start::Room), room, threads);
            let mut derivatives = &found.by_angle[..];
            for (step, bound) in steps.iter().zip(bound) {
                let (own, others) = derivatives.split_at(bound.n_angles());
                bound.pull_back(step, own, gradient);
                derivatives = others;
            }
            if let Some((halves, found)) = beginning.and_then(Beginning::halves).zip(found.halves) {
                halves.pull_back(found, gradient);
            }
            if let Some(product) = beginning.and_then(Beginning::product) {
                let mut by_place = found.by_place;
                by_place.extend(product.outer_derivatives(found.sums));
                for (q, turn) in self.program.plan().product() {
                    turn.pull_back(by_place[layout.place(*q)], gradient);
                }
            }
        }
    }
}

/// The way back through a sweep.
struct Back<'a, T> {
    layout: &'a Layout,
    steps: &'a [Bound<'a, T>],
    /// In the first sweep, what it started from.
    beginning: Option<&'a Beginning<'a, T>>,
    /// In the last sweep, how the cotangent's values come to amplitudes.
    values: Option<&'a Gather>,
}

/// What is read on the way.
struct Found<T> {
    /// Derivatives by the angles of each stage.
    by_angle: Vec<f64>,
    /// Derivatives by the angles of the product's places in a tile.
    by_place: Vec<f64>,
    /// Each tile's contraction with a product.
    sums: Vec<f64>,
    /// Cotangents of halves.
    halves: Option<Cotangents<T>>,
}

impl<T: Real> Back<'_, T> {
    fn nothing_found(&self) -> Found<T> {
        let n_angles = self.steps.iter().map(Bound::n_angles).sum();
        let (by_angle, by_place) = (vec![0.0; n_angles], vec![0.0; self.layout.tile_qubits()]);
        let halves = self.halves().map(Halves::no_cotangents);
        Found { by_angle, by_place, sums: Vec::new(), halves }
    }

    fn halves(&self) -> Option<&Halves<'_, T>> {
        self.beginning.and_then(Beginning::halves)
    }

    fn run(&self, start: Start<'_, T>, room: &mut Workspace<T>, threads: Threads) -> Found<T> {
        let Workspace { psi, lambda, rooms } = room;
        let mut all = self.nothing_found();
        if let Start::State { psi: Some(held), .. } = start {
            psi.is_real = held.is_real;
        }
        if self.layout.is_whole() {
            // Qubits may have been taken off them the last time.
            let len = 1 << self.layout.tile_qubits();
            psi.set_len(len);
            lambda.set_len(len);
            if let Start::State { psi: held, cotangent, shift } = start {
                held.iter().for_each(|held| psi.copy_from(held));
                lambda.set_scaled(psi, cotangent, shift, self.values);
            }
            let spare = &mut rooms.get_both(Threads::One)[0].spare;
            spare.iter_mut().for_each(|spare| spare.set_len(len));
            self.tile(psi, lambda, spare, 0, &mut all);
            return all;
        }
        let n_tiles = self.layout.n_tiles();
        let is_real = psi.is_real;
        let vectors = [psi, lambda].map(|v| [Shared::new(&mut v.re), Shared::new(&mut v.im)]);
        let of_psi = |k: usize, range| match start {
            Start::State { psi: Some(held), .. } => &[&held.re, &held.im][k][range],
            // SAFETY: tasks have different tiles of one layout.
            _ => unsafe { &*vectors[0][k].piece(range) },
        };
        let tasks = map_tasks_with(rooms.get_both(threads), n_tasks(n_tiles), |room, task| {
            let TileRoom { psi, lambda, spare, cotangent: values } = room;
            let mut found = self.nothing_found();
            for number in tiles_of(task, n_tiles) {
                (psi.is_real, lambda.is_real) = (is_real, is_real);
                for (k, part) in psi.parts().enumerate() {
                    self.layout.load(number, |range| of_psi(k, range), part);
                }
                if let Start::State { cotangent, shift, .. } = start {
                    if let Some(gather) = self.values {
                        gather.run(cotangent, values, number);
                    } else {
                        self.layout.load(number, |range| &cotangent[range], values);
                    }
                    lambda.set_scaled(psi, values, shift, None);
                } else {
                    for (part, from) in lambda.parts().zip(vectors[1]) {
                        // SAFETY: tasks have different tiles of one layout.
                        self.layout.load(number, |range| unsafe { &*from.piece(range) }, part);
                    }
                }
                let last = self.tile(psi, lambda, spare, number, &mut found);
                // Before the beginning nothing is left to read.
                if self.beginning.is_none() {
                    for (tile, to) in [&mut *psi, &mut *lambda].into_iter().zip(vectors) {
                        for (part, to) in tile.parts().zip(to) {
                            // SAFETY: as above.
                            unsafe { self.layout.store(number, part, last, to) };
                        }
                    }
                }
            }
            found
        });
        for found in tasks {
            let add = |(sum, x): (&mut f64, f64)| *sum += x;
            all.by_angle.iter_mut().zip(found.by_angle).for_each(add);
            all.by_place.iter_mut().zip(found.by_place).for_each(add);
            all.sums.extend(found.sums);
            if let Some((all, found)) = all.halves.as_mut().zip(found.halves) {
                all.add(&found);
            }
        }
        all
    }

    /// Carries one tile back through the sweep's stages, but for a relabelling that comes last.
    fn tile(
        &self,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
        found: &mut Found<T>,
    ) -> Option<&Gather> {
        let Found { by_angle, by_place, sums, halves } = found;
        let reading = Reading { by_angle, by_place, cotangents: halves.as_mut() };
        let (steps, beginning) = (self.steps, self.beginning);
        let (total, last) =
            Bound::unapply_all(steps, beginning, psi, lambda, spare, number, reading);
        if beginning.is_some() {
            sums.push(total);
        }
        last
    }
}
