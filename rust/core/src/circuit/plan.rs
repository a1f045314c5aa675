//! A circuit compiled for simulation.
//!
//! Every gate of the table is made of real rotations (RY), phases and permutations of outcomes
//! (CX, X). Primitives of one kind are merged into a stage as far as they commute with what comes
//! before them, so that a layer of any width becomes one stage, which the kernels run in one pass.
//! Angles stay affine functions of the parameters: the same plan serves every parameter vector, and
//! gradients flow back through the same coefficients.

use super::gate::{Primitive, Scaled};
use super::linear::{LinearMap, Move, Relabelling};
use super::{Angle, Circuit};
use crate::error::{Error, Result};

/// Outcomes are indexed by 32-bit numbers in the kernels; memory ends long before that.
pub const MAX_QUBITS: usize = 32;

/// An angle in radians that is affine in the parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turn {
    fixed: f64,
    terms: Vec<(usize, f64)>,
}

impl Turn {
    /// A constant.
    pub(super) fn fixed(angle: f64) -> Self {
        Self { fixed: angle, terms: vec![] }
    }

    fn new(scaled: Scaled, angle: Option<Angle>) -> Self {
        match angle {
            Some(Angle::Param(i)) if scaled.times != 0.0 => {
                Self { fixed: scaled.fixed, terms: vec![(i, scaled.times)] }
            }
            Some(Angle::Scaled(i, scale)) if scaled.times != 0.0 => {
                Self { fixed: scaled.fixed, terms: vec![(i, scaled.times * scale)] }
            }
            Some(Angle::Fixed(value)) => {
                Self { fixed: scaled.fixed + scaled.times * value, terms: vec![] }
            }
            _ => Self { fixed: scaled.fixed, terms: vec![] },
        }
    }

    fn add(&mut self, other: Self) {
        self.fixed += other.fixed;
        self.terms.extend(other.terms);
    }

    /// The angle at the given parameters.
    pub fn at(&self, params: &[f64]) -> f64 {
        let [angle] = self.at_each([params]);
        angle
    }

    /// The angle at several rows of parameters.
    #[inline(always)]
    pub fn at_each<const K: usize>(&self, rows: [&[f64]; K]) -> [f64; K] {
        let mut angles = [self.fixed; K];
        for &(i, factor) in &self.terms {
            for k in 0..K {
                angles[k] += factor * rows[k][i];
            }
        }
        angles
    }

    /// Adds this angle's share of a derivative to the parameters' gradient.
    pub fn pull_back(&self, derivative: f64, gradient: &mut [f64]) {
        self.pull_back_each([derivative], gradient, gradient.len());
    }

    /// The same for several derivatives and a gradient of `n_params` for each, one after the other;
    /// derivatives beyond the last gradient are left out.
    #[inline(always)]
    pub fn pull_back_each<const K: usize>(
        &self,
        derivatives: [f64; K],
        gradients: &mut [f64],
        n_params: usize,
    ) {
        for &(i, factor) in &self.terms {
            for k in 0..K {
                if let Some(sum) = gradients.get_mut(k * n_params + i) {
                    *sum += factor * derivatives[k];
                }
            }
        }
    }
}

/// The phase exp(i sum_q a_q z_q + i sum_{qr} a_{qr} z_q z_r) of outcome z.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PhasePolynomial {
    /// Angles of single bits.
    pub linear: Vec<(usize, Turn)>,
    /// Angles of pairs of bits, the lower one first.
    pub pairs: Vec<((usize, usize), Turn)>,
    /// Whether no rotation comes later, so that no probability depends on it.
    pub silent: bool,
}

impl PhasePolynomial {
    fn of_bit(q: usize, turn: Turn) -> Self {
        Self { linear: vec![(q, turn)], ..Self::default() }
    }

    fn of_pair(q: usize, r: usize, turn: Turn) -> Self {
        Self { pairs: vec![((q.min(r), q.max(r)), turn)], ..Self::default() }
    }
}

/// Primitives of one kind that are run together.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// RY on different qubits.
    Rotate(Vec<(usize, Turn)>),
    /// A diagonal.
    Phase(PhasePolynomial),
    /// A relabelling of outcomes.
    Permute(Relabelling),
}

/// Which bits a stage or primitive changes, and which ones it looks at. Two of them commute when
/// neither changes what the other looks at.
#[derive(Clone, Copy, Default)]
pub(super) struct Support {
    pub moved: u64,
    pub read: u64,
}

impl Support {
    pub(super) fn commutes(self, other: Self) -> bool {
        self.moved & other.read == 0 && other.moved & self.read == 0
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self { moved: self.moved | other.moved, read: self.read | other.read }
    }
}

impl Stage {
    pub(super) fn support(&self) -> Support {
        match self {
            Self::Rotate(turns) => {
                let mask = turns.iter().fold(0, |mask, (q, _)| mask | 1 << q);
                Support { moved: mask, read: mask }
            }
            Self::Phase(phase) => {
                let singles = phase.linear.iter().fold(0, |mask, (q, _)| mask | 1 << q);
                let read = phase.pairs.iter().fold(singles, |m, ((q, r), _)| m | 1 << q | 1 << r);
                Support { moved: 0, read }
            }
            Self::Permute(relabelling) => {
                let map = relabelling.map();
                Support { moved: map.moved(), read: map.read() }
            }
        }
    }

    /// The qubits that it speaks of, also where moves undo each other and nothing comes of it.
    fn named(&self) -> u64 {
        let Support { moved, read } = self.support();
        let moves = if let Self::Permute(relabelling) = self { relabelling.moves() } else { &[] };
        moves.iter().fold(moved | read, |mask, m| match *m {
            Move::Flip(q) => mask | 1 << q,
            Move::Add(control, target) => mask | 1 << control | 1 << target,
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Phase(phase) if phase.silent => Kind::SilentPhase,
            Self::Phase(_) => Kind::Phase,
            Self::Permute(_) => Kind::Permute,
            Self::Rotate(_) => Kind::Rotate,
        }
    }

    /// The stage in its smallest pieces, in order.
    pub(super) fn atoms(&self, n_qubits: usize) -> Vec<Self> {
        match self {
            Self::Rotate(turns) => turns.iter().map(|t| Self::Rotate(vec![t.clone()])).collect(),
            Self::Phase(phase) => {
                let linear =
                    phase.linear.iter().map(|(q, t)| PhasePolynomial::of_bit(*q, t.clone()));
                let pairs = phase.pairs.iter();
                let pairs = pairs.map(|((q, r), t)| PhasePolynomial::of_pair(*q, *r, t.clone()));
                let silent = phase.silent;
                linear.chain(pairs).map(|p| Self::Phase(PhasePolynomial { silent, ..p })).collect()
            }
            Self::Permute(relabelling) => {
                let moves = relabelling.moves().iter();
                moves.map(|m| Self::Permute(Relabelling::of(n_qubits, *m))).collect()
            }
        }
    }

    fn absorb(&mut self, other: Self) {
        match (self, other) {
            (Self::Rotate(into), Self::Rotate(from)) => merge(into, from),
            (Self::Phase(into), Self::Phase(from)) => {
                merge(&mut into.linear, from.linear);
                merge(&mut into.pairs, from.pairs);
            }
            (Self::Permute(into), Self::Permute(from)) => into.extend(&from),
            _ => unreachable!("stages merge with their own kind only"),
        }
    }
}

/// What may be one stage.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Phase,
    Permute,
    Rotate,
    SilentPhase,
}

/// Merges stages: of each kind in turn all that can come before whatever is left. The fewer turns, the
/// fewer passes over a state, and a pass runs a permutation, rotations and phases, in this order.
pub(super) fn merged(pieces: &[Stage]) -> Vec<Stage> {
    let supports: Vec<Support> = pieces.iter().map(Stage::support).collect();
    let all = supports.iter().fold(0, |all, support| all | support.read);
    // From the last to the first: a turn only touches those at the end.
    let mut left: Vec<usize> = (0..pieces.len()).rev().collect();
    let mut stages = Vec::new();
    for kind in [Kind::Phase, Kind::Permute, Kind::Rotate, Kind::SilentPhase].into_iter().cycle() {
        if left.is_empty() {
            break;
        }
        let moves = matches!(kind, Kind::Permute | Kind::Rotate);
        let mut waiting = Support::default();
        let mut passed = Vec::new();
        let mut stage: Option<Stage> = None;
        while let Some(i) = left.pop() {
            let (piece, support) = (&pieces[i], supports[i]);
            if piece.kind() == kind && support.commutes(waiting) {
                match &mut stage {
                    Some(stage) => stage.absorb(piece.clone()),
                    None => stage = Some(piece.clone()),
                }
                continue;
            }
            passed.push(i);
            // Rotations all turn about one axis and phases are all diagonal: each kind commutes with
            // itself.
            if piece.kind() != kind || kind == Kind::Permute {
                waiting = waiting.with(support);
            }
            // Everything else has to wait for one of these.
            if waiting.moved == all || (moves && waiting.read == all) {
                break;
            }
        }
        left.extend(passed.into_iter().rev());
        stages.extend(stage);
    }
    stages
}

/// A circuit as stages, ready to run for any parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    n_qubits: usize,
    n_params: usize,
    start: u64,
    global: Turn,
    product: Vec<(usize, Turn)>,
    stages: Vec<Stage>,
}

impl Plan {
    /// Compiles a circuit.
    pub fn new(circuit: &Circuit) -> Result<Self> {
        let n_qubits = circuit.n_qubits();
        if n_qubits > MAX_QUBITS {
            return Err(Error::invalid(
                "circuit",
                format!("at most {MAX_QUBITS} qubits for statevector simulation"),
                n_qubits,
            ));
        }
        let mut plan = Self {
            n_qubits,
            n_params: circuit.n_params(),
            start: 0,
            global: Turn::default(),
            product: Vec::new(),
            stages: Vec::new(),
        };
        let mut pieces = Vec::new();
        for instruction in circuit.instructions() {
            for &primitive in instruction.gate.spec().primitives {
                pieces.extend(plan.piece(primitive, &instruction.qubits, instruction.angle));
            }
        }
        plan.stages = merged(&pieces);
        plan.absorb_the_beginning();
        plan.silence_the_end();
        Ok(plan)
    }

    /// A plan with the same parameters.
    pub(super) fn with(
        &self,
        n_qubits: usize,
        start: u64,
        product: Vec<(usize, Turn)>,
        stages: Vec<Stage>,
    ) -> Self {
        let (n_params, global) = (self.n_params, Turn::default());
        Self { n_qubits, n_params, start, global, product, stages }
    }

    /// Follows all stages by another.
    pub(super) fn push(&mut self, stage: Stage) {
        self.stages.push(stage);
        self.stages = merged(&self.stages);
    }

    /// Number of qubits.
    pub fn n_qubits(&self) -> usize {
        self.n_qubits
    }

    /// Number of parameters.
    pub fn n_params(&self) -> usize {
        self.n_params
    }

    /// The outcome that the state starts in.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The phase of the whole state.
    pub fn global(&self) -> &Turn {
        &self.global
    }

    /// The stages after that, in order of application.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// What of the plan a measurement sees, and what becomes of its outcomes: after the last rotation
    /// phases change no probability, and permutations only say which outcome is which.
    pub fn measured(&self) -> (Self, LinearMap) {
        let last = self.stages.iter().rposition(|stage| matches!(stage, Stage::Rotate(_)));
        let (seen, rest) = self.stages.split_at(last.map_or(0, |i| i + 1));
        let mut relabelling = LinearMap::identity(self.n_qubits);
        for stage in rest {
            if let Stage::Permute(next) = stage {
                relabelling = relabelling.then(next.map());
            }
        }
        (Self { stages: seen.to_vec(), ..self.clone() }, relabelling)
    }

    /// The plan without the relabelling that comes last, and that.
    pub fn relabelled(mut self) -> (Self, LinearMap) {
        let last = self.stages.pop_if(|stage| matches!(stage, Stage::Permute(_)));
        let map = match last {
            Some(Stage::Permute(relabelling)) => relabelling.map().clone(),
            _ => LinearMap::identity(self.n_qubits),
        };
        (self, map)
    }

    /// How many of the lowest qubits the first rotations and then each stage need to know of: what is above
    /// has been touched by nothing, and starts alike whatever the parameters.
    pub fn touched(&self) -> (usize, Vec<usize>) {
        let turned = self.product.iter().filter(|(_, turn)| !turn.terms.is_empty());
        let first = turned.map(|(q, _)| q + 1).max().unwrap_or(0);
        let mut so_far = first;
        let touched = self.stages.iter().map(|stage| {
            so_far = so_far.max((u64::BITS - stage.named().leading_zeros()) as usize);
            so_far
        });
        let touched = touched.collect();
        (first, touched)
    }

    /// The amplitudes that a qubit starts with, if they are the same for all parameters.
    pub fn started(&self, qubit: usize) -> Option<[f64; 2]> {
        let [zero, one] = if self.start >> qubit & 1 == 0 { [1.0, 0.0] } else { [0.0, 1.0] };
        let Ok(i) = self.product.binary_search_by_key(&qubit, |x| x.0) else {
            return Some([zero, one]);
        };
        let turn = &self.product[i].1;
        let (sin, cos) = (turn.fixed / 2.0).sin_cos();
        turn.terms.is_empty().then_some([cos * zero - sin * one, sin * zero + cos * one])
    }

    /// The rotations of the first stage: they act on a single outcome, so what they make is a
    /// product state.
    pub fn product(&self) -> &[(usize, Turn)] {
        &self.product
    }

    /// A primitive as a stage, unless it is a phase of the whole.
    fn piece(
        &mut self,
        primitive: Primitive,
        qubits: &[usize],
        angle: Option<Angle>,
    ) -> Option<Stage> {
        let turn = |scaled| Turn::new(scaled, angle);
        let permute = |moved| Stage::Permute(Relabelling::of(self.n_qubits, moved));
        Some(match primitive {
            Primitive::Global(scaled) => {
                self.global.add(turn(scaled));
                return None;
            }
            Primitive::Rotate(q, scaled) => Stage::Rotate(vec![(qubits[q], turn(scaled))]),
            Primitive::Phase(q, scaled) => {
                Stage::Phase(PhasePolynomial::of_bit(qubits[q], turn(scaled)))
            }
            Primitive::PairPhase(scaled) => {
                Stage::Phase(PhasePolynomial::of_pair(qubits[0], qubits[1], turn(scaled)))
            }
            Primitive::Flip(q) => permute(Move::Flip(qubits[q])),
            Primitive::Add(control, target) => permute(Move::Add(qubits[control], qubits[target])),
        })
    }

    /// Before the first rotation the state is one outcome: permutations only move it, and phases
    /// are phases of the whole.
    fn absorb_the_beginning(&mut self) {
        let first = self.stages.iter().position(|s| matches!(s, Stage::Rotate(_)));
        for stage in self.stages.drain(..first.unwrap_or(self.stages.len())) {
            match stage {
                Stage::Permute(relabelling) => self.start = relabelling.map().apply(self.start),
                Stage::Phase(phase) => {
                    let set = |q: usize| self.start >> q & 1 == 1;
                    let singles = phase.linear.into_iter().filter(|(q, _)| set(*q));
                    let pairs = phase.pairs.into_iter().filter(|((q, r), _)| set(*q) && set(*r));
                    let turns: Vec<_> = singles.map(|x| x.1).chain(pairs.map(|x| x.1)).collect();
                    turns.into_iter().for_each(|turn| self.global.add(turn));
                }
                Stage::Rotate(_) => unreachable!("drained up to the first rotation"),
            }
        }
        if let Some(Stage::Rotate(turns)) = self.stages.first_mut() {
            self.product = std::mem::take(turns);
            self.stages.remove(0);
        }
    }

    fn silence_the_end(&mut self) {
        let last = self.stages.iter().rposition(|s| matches!(s, Stage::Rotate(_)));
        for stage in &mut self.stages[last.map_or(0, |i| i + 1)..] {
            if let Stage::Phase(phase) = stage {
                phase.silent = true;
            }
        }
    }
}

fn merge<K: Ord + Copy>(into: &mut Vec<(K, Turn)>, from: Vec<(K, Turn)>) {
    for (key, turn) in from {
        match into.binary_search_by_key(&key, |entry| entry.0) {
            Ok(i) => into[i].1.add(turn),
            Err(i) => into.insert(i, (key, turn)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::circuit::Gate;

    pub fn layered(n: usize, layers: usize) -> Plan {
        let mut circuit = Circuit::new(n, 0).unwrap();
        for _ in 0..layers {
            for q in 0..n {
                for gate in [Gate::Ry, Gate::Rz] {
                    let next = Angle::Param(circuit.n_params());
                    circuit.push(gate, &[q], Some(next)).unwrap();
                }
            }
            for q in 0..n - 1 {
                circuit.push(Gate::Cx, &[q, q + 1], None).unwrap();
            }
        }
        Plan::new(&circuit).unwrap()
    }

    #[test]
    fn a_layer_is_three_stages_whatever_its_width() {
        let plan = layered(9, 4);
        assert_eq!(plan.product().len(), 9);
        assert_eq!(plan.stages().len(), 11);
        let silent = |s: &Stage| matches!(s, Stage::Phase(phase) if phase.silent);
        let silent: Vec<_> = plan.stages().iter().map(silent).collect();
        assert_eq!(silent.iter().filter(|x| **x).count(), 1);
        assert!(silent[9]);
    }

    #[test]
    fn gates_in_any_order_share_few_passes() {
        let mut circuit = Circuit::new(13, 0).unwrap();
        let mut state = 1u64;
        let mut draw = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % below
        };
        for _ in 0..12 * 13 {
            let kinds = [Gate::Rx, Gate::Ry, Gate::Rz, Gate::Rzz, Gate::Cx, Gate::Cz];
            let (gate, q) = (kinds[draw(6)], draw(13));
            let pair = [q, (q + 1 + draw(12)) % 13];
            let next = Angle::Param(circuit.n_params());
            let angle = gate.spec().generator.map(|_| next);
            circuit.push(gate, &pair[..gate.spec().n_qubits], angle).unwrap();
        }
        // A pass goes from a permutation to rotations to phases: where that order ends is the next.
        let place = |stage: &Stage| match stage {
            Stage::Permute(_) => 1,
            Stage::Rotate(_) => 2,
            Stage::Phase(_) => 3,
        };
        let plan = Plan::new(&circuit).unwrap();
        let places: Vec<_> = plan.stages().iter().map(place).collect();
        let n_passes = 1 + places.windows(2).filter(|pair| pair[1] <= pair[0]).count();
        let n_rotations = places.iter().filter(|place| **place == 2).count();
        assert!(n_passes <= n_rotations + 1, "{n_passes} passes, {n_rotations} with rotations");
    }

    #[test]
    fn gates_before_the_first_rotation_cost_nothing() {
        let mut circuit = Circuit::new(3, 0).unwrap();
        circuit.push(Gate::X, &[0], None).unwrap();
        circuit.push(Gate::Cx, &[0, 2], None).unwrap();
        circuit.push(Gate::S, &[2], None).unwrap();
        let plan = Plan::new(&circuit).unwrap();
        assert_eq!((plan.start(), plan.stages().len()), (0b101, 0));
        assert_eq!(plan.global().at(&[]), std::f64::consts::FRAC_PI_2);
    }

    #[test]
    fn a_phase_on_a_control_passes_the_cx() {
        let mut circuit = Circuit::new(2, 0).unwrap();
        circuit.push(Gate::Ry, &[0], Some(Angle::Fixed(0.3))).unwrap();
        circuit.push(Gate::T, &[0], None).unwrap();
        circuit.push(Gate::Cx, &[0, 1], None).unwrap();
        circuit.push(Gate::T, &[0], None).unwrap();
        circuit.push(Gate::T, &[1], None).unwrap();
        let kinds = Plan::new(&circuit).unwrap().stages().len();
        assert_eq!(kinds, 3, "phase on 0, permute, phase on 1");
    }
}
