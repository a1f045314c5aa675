//! Running a plan forward.

use std::sync::OnceLock;

use num_complex::Complex;

use super::bound::{Beginning, Bound, Step};
use super::halves::{Read, Sides};
use super::layer::permute;
use super::permute::Gather;
use super::product::Product;
use super::readout::Readout;
use super::real::Real;
use super::tiles::{Layout, Shared, n_tasks, tiles_of};
use super::vector::{Rooms, Vector};
use crate::circuit::{Circuit, Cut, LinearMap, Plan, Stage, passes};
use crate::error::{Error, Result, check_finite};
use crate::memory;
use crate::parallel::{Threads, map_tasks_with};
use crate::trigonometry::Angles;

/// A plan with everything that can be worked out before the parameters are known.
#[derive(Debug, Clone)]
pub struct Program {
    plan: Plan,
    /// The plan's beginning, if it is not run stage by stage.
    sides: Option<Box<Sides>>,
    /// What a product is made for: tiles of the first sweep, or the qubits of a single tile that something
    /// touches before others are joined.
    start: Layout,
    sweeps: Vec<Sweep>,
    /// The plan's last relabelling, which no sweep runs.
    relabelling: LinearMap,
    readout: Option<Readout>,
    measured: OnceLock<Box<Measured>>,
}

/// What of a program a measurement sees.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The program without what no probability depends on, up to the names of outcomes.
    pub program: Program,
    /// From its outcomes to those that are measured.
    pub relabelling: LinearMap,
}

/// A pass over the state in the form that the kernels take.
#[derive(Debug, Clone)]
pub(super) struct Sweep {
    pub layout: Layout,
    pub steps: Vec<Step>,
}

impl Program {
    /// Compiles a circuit.
    pub fn new(circuit: &Circuit) -> Result<Self> {
        let (plan, relabelling) = Plan::new(circuit)?.relabelled();
        let cut = Cut::best(&plan);
        Ok(Self::of(plan, cut, relabelling))
    }

    /// Compiles a circuit that is run stage by stage from its first gate on, whatever that costs: what
    /// [`Self::new`] makes of it is tested against this.
    pub fn in_stages(circuit: &Circuit) -> Result<Self> {
        let (plan, relabelling) = Plan::new(circuit)?.relabelled();
        Ok(Self::of(plan, None, relabelling))
    }

    /// Of a plan that is run stage by stage.
    pub(super) fn uncut(plan: Plan) -> Self {
        let relabelling = LinearMap::identity(plan.n_qubits());
        Self::of(plan, None, relabelling)
    }

    pub(super) fn of(plan: Plan, mut cut: Option<Cut>, relabelling: LinearMap) -> Self {
        let sweep = |pass: crate::circuit::Pass| {
            let layout = Layout::new(plan.n_qubits(), &pass.qubits);
            let steps = pass.stages.iter().map(|stage| Step::new(stage, &layout)).collect();
            Sweep { layout, steps }
        };
        let in_sweeps = cut.as_ref().map_or(&plan, |cut| &cut.rest);
        let mut sweeps: Vec<Sweep> = passes(in_sweeps).into_iter().map(sweep).collect();
        let mut start = sweeps[0].layout.clone();
        if cut.is_none() && start.is_whole() {
            (start, sweeps[0].steps) = growing(&plan);
        }
        let last = sweeps.last().expect("at least one sweep");
        let left = cut.as_mut().map_or_else(|| relabelling.clone(), |cut| cut.absorb(&relabelling));
        let readout = Readout::new(&left, &last.layout);
        let sides = cut.map(|cut| Box::new(Sides::new(cut, &sweeps[0].layout, &left)));
        Self { plan, sides, start, sweeps, relabelling, readout, measured: OnceLock::new() }
    }

    /// What of the program a measurement sees, made when first asked for.
    pub fn measured(&self) -> &Measured {
        self.measured.get_or_init(|| {
            let (plan, first) = self.plan.measured();
            let cut = Cut::best(&plan);
            let program = Self::of(plan, cut, LinearMap::identity(self.plan.n_qubits()));
            Box::new(Measured { program, relabelling: first.then(&self.relabelling) })
        })
    }

    /// Writes the probability of every outcome of a state that [`Evolution::run`] left.
    pub fn probabilities<T: Real>(&self, psi: &Vector<T>, out: &mut [f64], threads: Threads) {
        psi.probabilities(out, self.readout.as_ref(), threads);
    }

    /// Writes such a state's amplitudes as complex numbers, in the order of outcomes.
    pub fn amplitudes<T: Real>(&self, psi: &Vector<T>, out: &mut [Complex<T>], threads: Threads) {
        psi.amplitudes(out, self.readout.as_ref(), threads);
    }

    /// How values of outcomes come to amplitudes.
    pub(super) fn values(&self) -> Option<&Gather> {
        self.readout.as_ref().map(|readout| &readout.values)
    }

    /// The plan, but for the relabelling that comes last.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether at least half of the rotations are run on two sides, not on the state.
    pub fn is_mostly_cut(&self) -> bool {
        let count = |turns: usize, stage: &Stage| match stage {
            Stage::Rotate(own) => turns + own.len(),
            _ => turns,
        };
        let all = self.plan.stages().iter().fold(0, count);
        let steps = self.sweeps.iter().flat_map(|sweep| &sweep.steps);
        let whole: usize = steps.map(Step::n_rotations).sum();
        self.sides.is_some() && 2 * whole <= all
    }

    /// Whether a state can be read without being written: [`Evolution::read`].
    pub fn is_direct(&self) -> bool {
        self.sides.as_ref().is_some_and(|sides| sides.are_direct())
    }

    /// How often a state goes through memory.
    pub fn n_sweeps(&self) -> usize {
        self.sweeps.len()
    }

    pub(super) fn sweeps(&self) -> &[Sweep] {
        &self.sweeps
    }

    /// log2 of the amplitudes that are worked on at a time.
    pub(super) fn tile_qubits(&self) -> usize {
        self.sweeps[0].layout.tile_qubits()
    }

    /// Whether a single state is too small to share between threads.
    pub fn is_small(&self) -> bool {
        self.sweeps[0].layout.is_whole()
    }

    /// Fails when `n_vectors` vectors of complex numbers do not fit into memory.
    pub fn check_memory<T>(&self, what: &str, n_vectors: f64) -> Result<()> {
        let n = self.plan.n_qubits();
        let bytes = n_vectors * 2.0 * size_of::<T>() as f64 * 2f64.powi(n as i32);
        let hint = "use fewer qubits, single precision or a smaller batch";
        memory::check(format_args!("{what} of {n} qubits"), bytes as u64, hint)
    }

    /// The circuit at given parameters. Phases that no later rotation can see are left out unless
    /// `all_phases`: they change amplitudes, but no probability.
    pub fn at<T: Real>(&self, params: &[f64], all_phases: bool) -> Evolution<'_, T> {
        let product = if self.sides.is_none() { self.plan.product() } else { &[] };
        let halves = product.iter().map(|(_, turn)| turn.at(params) / 2.0);
        let steps = self.sweeps.iter().flat_map(|sweep| &sweep.steps);
        let angles: Vec<f64> = halves.chain(steps.flat_map(|s| s.evaluate(params))).collect();
        let mut room = <[Vec<f64>; 2]>::default();
        let mut angles = Angles::new(&angles, &mut room);
        let of_product = angles.take(product.len());
        let steps = self.sweeps.iter().map(|sweep| &sweep.steps);
        let beginning = match &self.sides {
            Some(sides) => Beginning::Halves(Box::new(sides.at(params, all_phases))),
            None => Beginning::Product(Product::new(&self.plan, &self.start, of_product)),
        };
        Evolution {
            program: self,
            beginning,
            sweeps: steps.map(|steps| Bound::all(steps, &mut angles, all_phases)).collect(),
            turned: if all_phases { self.plan.global().at(params) } else { 0.0 },
        }
    }
}

/// A state begins with no fewer qubits: fewer would not be faster.
const LEAST_QUBITS: usize = 5;

/// The steps of a state that is a single tile, and what it begins with: qubits that nothing has touched
/// so far, above those that something has, are joined when something does.
fn growing(plan: &Plan) -> (Layout, Vec<Step>) {
    let lowest = |n: usize| Layout::new(n, &(0..n).collect::<Vec<_>>());
    let n = plan.n_qubits();
    let (first, touched) = plan.touched();
    let mut so_far = first.max(LEAST_QUBITS).min(n);
    let start = lowest(so_far);
    let mut steps = Vec::new();
    let mut join = |n: usize, steps: &mut Vec<Step>| {
        if n > so_far {
            let started = (so_far..n).map(|q| plan.started(q).expect("untouched by parameters"));
            steps.push(Step::Join(started.collect()));
            so_far = n;
        }
        lowest(so_far)
    };
    for (stage, n) in plan.stages().iter().zip(touched) {
        let layout = join(n, &mut steps);
        steps.push(Step::new(stage, &layout));
    }
    join(n, &mut steps);
    (start, steps)
}

/// A program at given parameters: what runs forward, and then backward.
pub struct Evolution<'a, T> {
    pub(super) program: &'a Program,
    pub(super) beginning: Beginning<'a, T>,
    pub(super) sweeps: Vec<Vec<Bound<'a, T>>>,
    turned: f64,
}

impl<T: Real> Evolution<'_, T> {
    /// Reads the state of a program that [is direct](Program::is_direct).
    pub fn read(&self, asked: Read<'_, T>, threads: Threads) {
        T::read(self, asked, threads);
    }

    pub(super) fn read_directly(&self, asked: Read<'_, T>, threads: Threads) {
        let halves = self.beginning.halves().expect("a direct program");
        halves.read(asked, self.turned, threads);
    }

    /// Runs the circuit into `psi`.
    pub fn run(&self, psi: &mut Vector<T>, rooms: &mut Rooms<T>, threads: Threads) {
        T::run(self, psi, rooms, threads);
    }

    pub(super) fn forward(&self, psi: &mut Vector<T>, rooms: &mut Rooms<T>, threads: Threads) {
        psi.turned = self.turned;
        for (i, (sweep, steps)) in self.program.sweeps.iter().zip(&self.sweeps).enumerate() {
            let beginning = (i == 0).then_some(&self.beginning);
            if sweep.layout.is_whole() {
                let spare = &mut rooms.get(Threads::One)[0].spare;
                let len = 1 << self.program.start.tile_qubits();
                psi.set_len(len);
                spare.iter_mut().for_each(|spare| spare.set_len(len));
                if let Some(gather) = Bound::apply_all(steps, beginning, psi, spare, 0) {
                    permute(gather, psi.parts(), spare, 0);
                }
            } else {
                sweep.run(steps, beginning, psi, rooms, threads);
            }
        }
    }
}

impl Sweep {
    fn run<'a, T: Real>(
        &self,
        steps: &[Bound<'a, T>],
        beginning: Option<&'a Beginning<'a, T>>,
        psi: &mut Vector<T>,
        rooms: &mut Rooms<T>,
        threads: Threads,
    ) {
        let n_tiles = self.layout.n_tiles();
        let is_real = psi.is_real;
        let (re, im) = (Shared::new(&mut psi.re), Shared::new(&mut psi.im));
        let ends_real = map_tasks_with(rooms.get(threads), n_tasks(n_tiles), |room, task| {
            let (tile, spare) = (&mut room.psi, &mut room.spare);
            for number in tiles_of(task, n_tiles) {
                // SAFETY, here and below: tasks have different tiles of one layout.
                let [re_pieces, im_pieces] =
                    [re, im].map(|part| move |range| unsafe { &*part.piece(range) });
                tile.is_real = is_real;
                if beginning.is_none() {
                    self.layout.load(number, re_pieces, &mut tile.re);
                    if !is_real {
                        self.layout.load(number, im_pieces, &mut tile.im);
                    }
                }
                let last = Bound::apply_all(steps, beginning, tile, spare, number);
                for (part, to) in tile.parts().zip([re, im]) {
                    unsafe { self.layout.store(number, part, last, to) };
                }
            }
            tile.is_real
        });
        psi.is_real = ends_real[0];
    }
}

/// Checks a batch of parameters, row-major (batch, n_params), and returns the batch's size.
pub fn check_params(params: &[f64], n_params: usize) -> Result<usize> {
    if n_params == 0 || !params.len().is_multiple_of(n_params) {
        return Err(Error::invalid(
            "params",
            format!("rows of {n_params} parameters"),
            format!("{} values", params.len()),
        ));
    }
    check_finite("params", params)?;
    Ok(params.len() / n_params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Angle, Gate};

    #[test]
    fn qubits_are_joined_when_something_comes_to_them() {
        let mut circuit = Circuit::new(9, 0).unwrap();
        for q in 0..6 {
            circuit.push(Gate::Ry, &[q], Some(Angle::Param(q))).unwrap();
        }
        circuit.push(Gate::H, &[8], None).unwrap();
        circuit.push(Gate::Cx, &[6, 0], None).unwrap();
        circuit.push(Gate::Ry, &[0], Some(Angle::Param(0))).unwrap();
        circuit.push(Gate::Cx, &[0, 7], None).unwrap();
        let (start, steps) = growing(Program::in_stages(&circuit).unwrap().plan());
        assert_eq!(start.tile_qubits(), 6);
        let joined: Vec<usize> = steps
            .iter()
            .map(|step| if let Step::Join(qubits) = step { qubits.len() } else { 0 })
            .collect();
        // Before the first CX, and at the end: the last relabelling is no step.
        assert_eq!(joined.iter().filter(|n| **n > 0).collect::<Vec<_>>(), [&1, &2]);
    }

    #[test]
    fn gates_that_undo_each_other_touch_qubits_too() {
        let mut circuit = Circuit::new(8, 0).unwrap();
        circuit.push(Gate::Ry, &[0], Some(Angle::Param(0))).unwrap();
        for gate in [[7, 0], [7, 0], [0, 6], [0, 6]] {
            circuit.push(Gate::Cx, &gate, None).unwrap();
        }
        circuit.push(Gate::Ry, &[0], Some(Angle::Param(1))).unwrap();
        let program = Program::new(&circuit).unwrap();
        let (mut psi, mut q) = (Vector::<f64>::new(8), vec![0.0; 256]);
        program.at(&[0.4, 0.9], true).run(&mut psi, &mut Rooms::new(&program), Threads::One);
        program.probabilities(&psi, &mut q, Threads::One);
        assert!((q[0] - 0.65f64.cos().powi(2)).abs() < 1e-15);
        assert!((q[1] - 0.65f64.sin().powi(2)).abs() < 1e-15);
    }
}
