//! Running a plan backward: all derivatives in one pass.
//!
//! Jones & Gacon 2020 (arXiv 2009.02823). With `psi` the final state and `lambda = f psi` for a
//! cotangent `f`, both are carried back stage by stage, and each angle's derivative is read off
//! where the angle stands. Angles are affine in the parameters, so derivatives are pulled back
//! through the same coefficients.

use super::bound::Bound;
use super::product::Product;
use super::real::Real;
use super::simulate::{Evolution, Sweep};
use super::tiles::{Layout, Shared, n_tasks, tiles_of};
use super::vector::{Rooms, Spare, TileRoom, Vector, Workspace};
use crate::parallel::{Threads, map_tasks_with};

impl<T: Real> Evolution<'_, T> {
    /// Adds to `gradient` the derivatives of `sum_z f(z) |psi(z)|^2` by the parameters.
    ///
    /// In `room`, `psi` is the state that [`Evolution::run`] left, and `lambda` is the cotangent
    /// times it. Both are used up.
    pub fn adjoint(&self, room: &mut Workspace<T>, gradient: &mut [f64], threads: Threads) {
        let Workspace { psi, lambda, rooms } = room;
        let sweeps = self.program.sweeps().iter().zip(&self.sweeps).enumerate();
        for (i, (Sweep { layout, steps }, bound)) in sweeps.rev() {
            let product = (i == 0).then_some(&self.product);
            let found = Back { layout, steps: bound, product }.run(psi, lambda, rooms, threads);
            let mut derivatives = &found.by_angle[..];
            for (step, bound) in steps.iter().zip(bound) {
                let (own, others) = derivatives.split_at(bound.n_angles());
                bound.pull_back(step, own, gradient);
                derivatives = others;
            }
            if let Some(product) = product {
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
    product: Option<&'a Product<T>>,
}

/// What is read on the way.
struct Found {
    /// Derivatives by the angles of each stage.
    by_angle: Vec<f64>,
    /// Derivatives by the angles of the product's places in a tile.
    by_place: Vec<f64>,
    /// Each tile's contraction with the product.
    sums: Vec<f64>,
}

impl<T: Real> Back<'_, T> {
    fn nothing_found(&self) -> Found {
        let n_angles = self.steps.iter().map(Bound::n_angles).sum();
        let (by_angle, by_place) = (vec![0.0; n_angles], vec![0.0; self.layout.tile_qubits()]);
        Found { by_angle, by_place, sums: Vec::new() }
    }

    fn run(
        &self,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        rooms: &mut Rooms<T>,
        threads: Threads,
    ) -> Found {
        let mut all = self.nothing_found();
        if self.layout.is_whole() {
            let spare = &mut rooms.get_both(Threads::One)[0].spare;
            self.tile(psi, lambda, spare, 0, &mut all);
            return all;
        }
        let n_tiles = self.layout.n_tiles();
        let is_real = psi.is_real;
        let vectors = [psi, lambda].map(|v| [Shared::new(&mut v.re), Shared::new(&mut v.im)]);
        let tasks = map_tasks_with(rooms.get_both(threads), n_tasks(n_tiles), |room, task| {
            let TileRoom { psi, lambda, spare } = room;
            let mut found = self.nothing_found();
            for number in tiles_of(task, n_tiles) {
                for (tile, from) in [&mut *psi, &mut *lambda].into_iter().zip(vectors) {
                    tile.is_real = is_real;
                    for (part, from) in tile.parts().zip(from) {
                        // SAFETY: tasks have different tiles of one layout.
                        self.layout.load(number, |range| unsafe { &*from.piece(range) }, part);
                    }
                }
                self.tile(psi, lambda, spare, number, &mut found);
                // Below the product nothing is left to read.
                if self.product.is_none() {
                    for (tile, to) in [&mut *psi, &mut *lambda].into_iter().zip(vectors) {
                        for (part, to) in tile.parts().zip(to) {
                            // SAFETY: as above.
                            unsafe { self.layout.store(number, part, to) };
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
        }
        all
    }

    /// Carries one tile back through the sweep's stages.
    fn tile(
        &self,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
        found: &mut Found,
    ) {
        let derivatives = [&mut found.by_angle[..], &mut found.by_place];
        let (steps, product) = (self.steps, self.product);
        let total = Bound::unapply_all(steps, product, psi, lambda, spare, number, derivatives);
        if product.is_some() {
            found.sums.push(total);
        }
    }
}
