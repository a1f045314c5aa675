//! The stages of a sweep, first for places in a tile and then for given parameters.

use std::sync::Arc;

use super::halves::{Cotangents, Halves};
use super::layer::{Derivatives, Layer};
use super::permute::Gather;
use super::phase::{Phases, Terms};
use super::product::Product;
use super::real::Real;
use super::rotate::Rotations;
use super::tiles::Layout;
use super::vector::{Spare, Vector};
use crate::circuit::{Stage, Turn};
use crate::trigonometry::Angles;

/// A stage over places.
#[derive(Debug, Clone)]
pub enum Step {
    Rotate {
        places: Vec<usize>,
        turns: Vec<Turn>,
    },
    Phase(Arc<Terms>),
    Permute {
        forward: Box<Gather>,
        backward: Box<Gather>,
    },
    /// Joins qubits above the others, each with its amplitudes.
    Join(Vec<[f64; 2]>),
}

impl Step {
    pub fn new(stage: &Stage, layout: &Layout) -> Self {
        let place = |q: usize| layout.place(q);
        match stage {
            // A tile's qubits keep their order, so these stay ascending.
            Stage::Rotate(turns) => {
                let (places, turns) =
                    turns.iter().map(|(q, turn)| (place(*q), turn.clone())).unzip();
                Self::Rotate { places, turns }
            }
            Stage::Phase(phase) => {
                Self::Phase(Arc::new(Terms::new(phase, place, layout.tile_qubits())))
            }
            Stage::Permute(relabelling) => {
                let here = relabelling.renumbered(place);
                let tile_qubits = layout.tile_qubits();
                Self::Permute {
                    forward: Box::new(Gather::inside(here.map().inverse(), tile_qubits)),
                    backward: Box::new(Gather::inside(here.map().clone(), tile_qubits)),
                }
            }
        }
    }

    /// The angles of the stage, in the order of its derivatives.
    fn turns(&self) -> &[Turn] {
        match self {
            Self::Rotate { turns, .. } => turns,
            Self::Phase(terms) => terms.turns(),
            Self::Permute { .. } | Self::Join(_) => &[],
        }
    }

    /// How many rotations it has.
    pub fn n_rotations(&self) -> usize {
        if let Self::Rotate { turns, .. } = self { turns.len() } else { 0 }
    }

    /// Evaluates them, as [`Bound::all`] wants them: those of rotations halved.
    pub fn evaluate<'a>(&'a self, params: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let times = if matches!(self, Self::Rotate { .. }) { 0.5 } else { 1.0 };
        self.turns().iter().map(move |turn| times * turn.at(params))
    }
}

/// What the first sweep's tiles are made of.
pub enum Beginning<'a, T> {
    Product(Product<T>),
    Halves(Box<Halves<'a, T>>),
}

impl<T> Beginning<'_, T> {
    /// The product, if it is one.
    pub fn product(&self) -> Option<&Product<T>> {
        match self {
            Self::Product(product) => Some(product),
            Self::Halves(_) => None,
        }
    }

    /// The halves, if it is these.
    pub fn halves(&self) -> Option<&Halves<'_, T>> {
        match self {
            Self::Product(_) => None,
            Self::Halves(halves) => Some(halves),
        }
    }
}

/// What is read off on the way back.
pub struct Reading<'a, T> {
    /// Derivatives by the angles of all stages.
    pub by_angle: &'a mut [f64],
    /// By the angles of a product's places.
    pub by_place: &'a mut [f64],
    /// Cotangents of halves.
    pub cotangents: Option<&'a mut Cotangents<T>>,
}

/// A stage at given parameters, ready to run on any tile.
pub enum Bound<'a, T> {
    Rotate(Rotations<T>),
    /// None where a phase is not asked for.
    Phase(Option<Phases<T>>),
    Permute {
        forward: &'a Gather,
        backward: &'a Gather,
    },
    Join(&'a [[f64; 2]]),
}

impl<'a, T: Real> Bound<'a, T> {
    /// The stages of a sweep, silent phases only if `all_phases`. Their angles are taken from `angles`.
    pub fn all(steps: &'a [Step], angles: &mut Angles<'_>, all_phases: bool) -> Vec<Self> {
        let bind = |step: &'a Step| {
            let own = angles.take(step.turns().len());
            match step {
                Step::Rotate { places, .. } => Self::Rotate(Rotations::new(places, own)),
                Step::Phase(terms) => {
                    let asked = all_phases || !terms.silent();
                    Self::Phase(asked.then(|| Phases::new(terms, own)))
                }
                Step::Permute { forward, backward } => Self::Permute { forward, backward },
                Step::Join(qubits) => Self::Join(qubits),
            }
        };
        steps.iter().map(bind).collect()
    }

    /// Runs stages on tile number `number`, together as far as layers take them. They start from the
    /// beginning if it is given, and from what the tile holds if not. A relabelling that comes last is
    /// not done but returned: it can be done as the tile is written.
    pub fn apply_all(
        stages: &'a [Self],
        beginning: Option<&'a Beginning<'a, T>>,
        tile: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
    ) -> Option<&'a Gather> {
        if let Some(halves) = beginning.and_then(Beginning::halves) {
            halves.write(number, tile);
        }
        let product = beginning.and_then(Beginning::product);
        let (mut layer, mut filled) = (Layer { product, ..Layer::default() }, 0);
        for stage in stages {
            let place = stage.place([1, 2, 3]);
            if place <= filled {
                std::mem::take(&mut layer).apply(tile, spare, number);
            }
            filled = place;
            match stage {
                Self::Join(qubits) => {
                    tile.join(qubits);
                    spare.iter_mut().for_each(|spare| spare.set_len(tile.re.len()));
                }
                Self::Rotate(rotations) => layer.rotations = Some(rotations),
                Self::Phase(phases) => layer.phases = phases.as_ref(),
                Self::Permute { forward, .. } => layer.gather = Some(*forward),
            }
        }
        let last = layer.only_gather();
        if last.is_none() {
            layer.apply(tile, spare, number);
        }
        last
    }

    /// Undoes stages on a tile of the state and of its cotangent, and adds to what is read. If the
    /// beginning is given, the tiles mean nothing afterwards, and what [`Product::read`] says of a
    /// product is returned; if not, a relabelling that comes last is not done but returned.
    pub fn unapply_all(
        stages: &'a [Self],
        beginning: Option<&'a Beginning<'a, T>>,
        psi: &mut Vector<T>,
        lambda: &mut Vector<T>,
        spare: &mut Spare<T>,
        number: usize,
        reading: Reading<'_, T>,
    ) -> (f64, Option<&'a Gather>) {
        let Reading { by_angle: mut derivatives, by_place, cotangents } = reading;
        let halves = beginning.and_then(Beginning::halves).zip(cotangents);
        let product = beginning.and_then(Beginning::product);
        let (mut layer, mut filled) = (Layer::default(), 0);
        let mut sums = Derivatives::default();
        for stage in stages.iter().rev() {
            let place = stage.place([1, 3, 2]);
            if place <= filled {
                std::mem::take(&mut layer).unapply(psi, lambda, spare, number, &mut sums);
                sums = Derivatives::default();
            }
            filled = place;
            let (others, own) = derivatives.split_at_mut(derivatives.len() - stage.n_angles());
            derivatives = others;
            match stage {
                Self::Join(qubits) => {
                    psi.part_from(qubits);
                    lambda.part_from(qubits);
                    spare.iter_mut().for_each(|spare| spare.set_len(psi.re.len()));
                }
                Self::Rotate(rotations) => {
                    (layer.rotations, sums.rotations) = (Some(rotations), own)
                }
                Self::Phase(phases) => (layer.phases, sums.phases) = (phases.as_ref(), own),
                Self::Permute { backward, .. } => layer.gather = Some(*backward),
            }
        }
        (layer.product, sums.places) = (product, by_place);
        let last = layer.only_gather().filter(|_| halves.is_none());
        if last.is_none() {
            layer.unapply(psi, lambda, spare, number, &mut sums);
        }
        if let Some((halves, cotangents)) = halves {
            halves.contract(number, lambda, cotangents);
        }
        (sums.total, last)
    }

    /// Where a layer has the stage: its turn among relabelling, rotations and phases.
    fn place(&self, [permute, rotate, phase]: [usize; 3]) -> usize {
        match self {
            // Before it all must be done.
            Self::Join(_) => 0,
            Self::Permute { .. } => permute,
            Self::Rotate(_) => rotate,
            Self::Phase(_) => phase,
        }
    }

    /// How many derivatives the stage has.
    pub fn n_angles(&self) -> usize {
        match self {
            Self::Rotate(rotations) => rotations.len(),
            Self::Phase(phases) => phases.as_ref().map_or(0, Phases::n_angles),
            Self::Permute { .. } | Self::Join(_) => 0,
        }
    }

    /// Adds a stage's derivatives to the parameters' gradient.
    pub fn pull_back(&self, step: &Step, derivatives: &[f64], gradient: &mut [f64]) {
        // What comes after the last rotation commutes with the measurement: its derivatives are
        // rounding errors.
        if !matches!(step, Step::Phase(terms) if terms.silent()) {
            step.turns().iter().zip(derivatives).for_each(|(turn, d)| turn.pull_back(*d, gradient));
        }
    }
}
