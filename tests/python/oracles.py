"""Slow, obvious versions of what the package computes, written from the definitions alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import qhypernet as qh
from qhypernet import _core
from qhypernet.gradients import Evaluation, Gradient
from qhypernet.gradients._base import Term
from qhypernet.objectives import Target

Floats = NDArray[np.float64]

TABLE = _core.gate_table()
N_QUBITS = {name: n_qubits for name, n_qubits, _, _ in TABLE}
ROTATIONS = [name for name, _, generator, _ in TABLE if generator]


class Op(NamedTuple):
    """A gate of a test circuit: with a parameter's index and scale, a fixed angle or neither."""

    gate: str
    qubits: tuple[int, ...]
    param: int | None = None
    angle: float | None = None
    scale: float = 1.0


def random_ops(rng: np.random.Generator, n: int, n_gates: int) -> list[Op]:
    """Gates in shuffled rounds of the whole table; angles are free, shared, scaled or fixed."""
    ops: list[Op] = []
    n_params = 0
    names = [name for name in N_QUBITS if N_QUBITS[name] <= n]
    while len(ops) < n_gates:
        for name in rng.permutation(names)[: n_gates - len(ops)]:
            qubits = tuple(int(q) for q in rng.permutation(n)[: N_QUBITS[name]])
            param = angle = None
            scale = 1.0
            if name in ROTATIONS:
                kind = rng.choice(["free", "shared", "scaled", "fixed"], p=[0.5, 0.2, 0.1, 0.2])
                if kind == "fixed":
                    angle = float(rng.uniform(-7, 7))
                elif kind != "free" and n_params:
                    param = int(rng.integers(n_params))
                    scale = float(rng.choice([-1.0, 0.5, 1.7])) if kind == "scaled" else 1.0
                else:
                    param = n_params
                    n_params += 1
            ops.append(Op(str(name), qubits, param, angle, scale))
    return ops


def n_params_of(ops: Sequence[Op]) -> int:
    """Free parameters of a list of gates."""
    return 1 + max((op.param for op in ops if op.param is not None), default=-1)


def build(n: int, ops: Sequence[Op]) -> qh.Circuit:
    """The circuit, by the methods named after the gates."""
    circuit = qh.Circuit(n)
    for op in ops:
        method = getattr(circuit, op.gate)
        if op.param is None and op.angle is None:
            assert method(*op.qubits) is None
        elif op.angle is not None:
            assert method(*op.qubits, angle=op.angle) is None
        elif op.scale != 1:
            assert circuit.append(op.gate, *op.qubits, param=op.param, scale=op.scale) == op.param
        elif op.param == circuit.n_params:
            assert method(*op.qubits) == op.param
        else:
            assert method(*op.qubits, param=op.param) == op.param
    return circuit


def qiskit_state(n: int, ops: Sequence[Op], params: Sequence[float]) -> NDArray[np.complex128]:
    """The state by Qiskit, global phase included."""
    from qiskit import QuantumCircuit
    from qiskit.quantum_info import Statevector

    circuit = QuantumCircuit(n)
    for op in ops:
        angle = op.scale * params[op.param] if op.param is not None else op.angle
        angles = [] if angle is None else [float(angle)]
        getattr(circuit, op.gate)(*angles, *op.qubits)
    return Statevector(circuit).data


def all_bits(n: int) -> NDArray[np.uint8]:
    """Bits of every outcome: column i is bit i of the row's index."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.uint8)


def signs(bits: NDArray[np.uint8]) -> Floats:
    """Weights: bit 0 is +1, bit 1 is -1."""
    return 1.0 - 2.0 * np.asarray(bits, dtype=float)


def kernel(a: NDArray[np.uint8], b: NDArray[np.uint8], bandwidths: Sequence[float]) -> Floats:
    """mean_s exp(-||w - w'||^2 / (2 s^2)) of every pair, from the +-1 vectors."""
    squares = ((signs(a)[:, None, :] - signs(b)[None, :, :]) ** 2).sum(axis=-1)
    return np.mean([np.exp(-squares / (2 * s**2)) for s in bandwidths], axis=0)


def prior_probabilities(p_plus: Sequence[float]) -> Floats:
    """p of every outcome, one product at a time."""
    return np.array(
        [
            math.prod(1 - p if bit else p for p, bit in zip(p_plus, row, strict=True))
            for row in all_bits(len(p_plus))
        ]
    )


def kl(q: Floats, p: Floats) -> float:
    """KL(q || p) in nats."""
    return sum(float(a * math.log(a / b)) for a, b in zip(q, p, strict=True) if a > 0)


def divergence(q: Floats, p: Floats, objective: qh.MLE | qh.ELBO | qh.SELBO) -> float:
    """D(q, p) of the objective, without its weight."""
    if isinstance(objective, qh.MLE):
        return 0.0
    if isinstance(objective, qh.ELBO):
        return kl(q, p)
    bits = all_bits(len(q).bit_length() - 1)
    return float((q - p) @ kernel(bits, bits, objective.kernel.bandwidths) @ (q - p))


def cotangent(
    q: Floats, p: Floats, table: Floats, objective: qh.MLE | qh.ELBO | qh.SELBO
) -> Floats:
    """dF/dq of the objective (mathematics.md, section 3), up to a constant."""
    if isinstance(objective, qh.MLE):
        return -table
    if isinstance(objective, qh.ELBO):
        return -table + objective.weight * (np.log(q) - np.log(p))
    bits = all_bits(len(q).bit_length() - 1)
    gram = kernel(bits, bits, objective.kernel.bandwidths)
    return -table + 2 * objective.weight * gram @ (q - p)


def evaluate(
    gradient: Gradient,
    circuit: qh.Circuit,
    table: Floats,
    prior: qh.BernoulliPrior,
    objective: qh.MLE | qh.ELBO | qh.SELBO,
    params: Floats,
    *,
    seed: int = 0,
    step: int = 0,
) -> Evaluation:
    """Calls a gradient as the training loop does; params (B, P)."""
    problem = _core.Problem(table, prior.p_plus)
    term = Term(objective, Target(-table, prior), objective.weight)
    return gradient(circuit, problem, term, params, seed=seed, step=step)


def logits(net: qh.BinaryNetwork, row: NDArray[np.uint8], x: Floats) -> Floats:
    """Logits (K,) of one network at one point, weight by weight in the flat order."""
    weights = iter(signs(row))
    units = [float(value) for value in x]
    last = len(net.layers) - 2
    for layer, n_out in enumerate(net.layers[1:]):
        sums = [0.0] * n_out
        for value in units:
            for unit in range(n_out):
                sums[unit] += value * next(weights)
        if net.bias:
            for unit in range(n_out):
                sums[unit] += next(weights)
        units = sums if layer == last else [_activate(net.activation, s) for s in sums]
    assert next(weights, None) is None
    return net.logit_scale * np.array(units)


def _activate(name: str, value: float) -> float:
    if name == "sign":
        return 1.0 if value >= 0 else -1.0
    if name == "relu":
        return max(value, 0.0)
    if name == "sigmoid":
        return 1 / (1 + math.exp(-value))
    return math.tanh(value) if name == "tanh" else value


def class_probabilities(net: qh.BinaryNetwork, row: NDArray[np.uint8], x: Floats) -> Floats:
    """p(y = k | x, w), shape (K,), for networks whose logits are not extreme."""
    outputs = logits(net, row, x)
    if net.likelihood == "bernoulli":
        outputs = np.array([0.0, outputs[0]])
    exponentials = np.exp(outputs)
    return exponentials / exponentials.sum()


def log_likelihood(net: qh.BinaryNetwork, row: NDArray[np.uint8], X: Floats, y: Floats) -> float:
    """sum_d log p(y_d | x_d, w), point by point."""
    total = 0.0
    for x, target in zip(X, y, strict=True):
        if net.likelihood == "gaussian":
            residuals = np.atleast_1d(target) - logits(net, row, x)
            total -= float((residuals**2).sum()) / (2 * net.noise**2)
            total -= len(residuals) * math.log(net.noise * math.sqrt(2 * math.pi))
        else:
            # -log softmax = log(1 + sum over other classes), right for sure predictions too.
            outputs = logits(net, row, x)
            outputs = np.append(0.0, outputs) if net.likelihood == "bernoulli" else outputs
            others = np.delete(outputs, int(target)) - outputs[int(target)]
            total -= math.log1p(np.exp(others).sum())
    return total
