"""Ours. Nothing is kept between calls: each simulates anew."""

from __future__ import annotations

import time

import numpy as np

import qhypernet as qh
from peers.task import Measured, Task, Work
from qhypernet import _core

PACKAGES = ("qhypernet", "numpy")
# A training step is the difference of two trainings, so that what is done once does not count.
SHORT, LONG = 10, 50


def forward(task: Task) -> Work:
    circuit, params, dtype = _circuit(task), task.params, _dtype(task)
    return lambda: circuit.simulate(params, dtype=dtype).statevector()


def gradient(task: Task) -> Work:
    """Of the sum of all Z, given as any diagonal is."""
    circuit, params, dtype = _circuit(task), task.params, _dtype(task)
    cotangent = task.n_qubits - 2.0 * np.bitwise_count(np.arange(2**task.n_qubits))
    return lambda: circuit.simulate(params, dtype=dtype).gradient(cotangent)


def batch(task: Task) -> Measured:
    """One step of a training: gradient, objective, Adam and history."""

    def result() -> np.ndarray:
        history = _trained(task, 1).history
        return np.stack([history[name][:, 0] for name in ("objective", "gradient_norm")])

    def seconds() -> float:
        return (_timed(task, LONG) - _timed(task, SHORT)) / (LONG - SHORT)

    return Measured(result, seconds)


def share(task: Task) -> Measured:
    """What of a training step is spent outside of the core, as a share between 0 and 1."""
    inside = 0.0

    def counted(function: Work) -> Work:
        def run(*arguments: object, **named: object) -> object:
            nonlocal inside
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                inside += time.perf_counter() - start

        return run

    # This process does nothing else, so the core's functions can stay wrapped.
    for name, value in vars(_core).items():
        if callable(value) and not isinstance(value, type) and not name.startswith("_"):
            setattr(_core, name, counted(value))

    def seconds() -> float:
        nonlocal inside
        inside = 0.0
        short = _timed(task, SHORT)
        inside_short, inside = inside, 0.0
        long = _timed(task, LONG)
        return 1 - (inside - inside_short) / (long - short)

    return Measured(lambda: np.zeros(1), seconds)


def table(task: Task) -> Work:
    """The log-likelihood of all networks."""
    net, X, y = _network(task), task.arrays["X"], task.arrays["y"]
    return lambda: net.log_likelihood_table(X, y)


def inference(task: Task) -> Work:
    """The log-likelihood of sampled networks."""
    net, X, y = _network(task), task.arrays["X"], task.arrays["y"]
    bits = task.arrays["bits"]
    return lambda: net.log_likelihood(bits, X, y)


def samples(task: Task) -> Work:
    """The unbiased squared MMD between two samples."""
    q, p = task.arrays["q"], task.arrays["p"]
    kernel = qh.HammingKernel(bandwidths=(task.options["bandwidth"],))
    return lambda: qh.mmd2(q, p, kernel)


def exact(task: Task) -> Work:
    """The squared MMD between two probability vectors."""
    q, p = task.arrays["q"], task.arrays["p"]
    kernel = qh.HammingKernel(bandwidths=(task.options["bandwidth"],))
    return lambda: qh.mmd2_exact(q, p, kernel)


def batched(task: Task) -> Work:
    """Probabilities of a batch of states."""
    circuit, params, dtype = _circuit(task), task.params, _dtype(task)
    return lambda: circuit.simulate(params, dtype=dtype).probabilities()


def _circuit(task: Task) -> qh.Circuit:
    circuit = qh.Circuit(task.n_qubits, n_params=task.n_params)
    for name, qubits, param, angle in task.gates:
        circuit.append(name, *qubits, param=param, angle=angle if param is None else None)
    return circuit


def _dtype(task: Task) -> str:
    return "single" if task.single else "double"


def _network(task: Task) -> qh.BinaryNetwork:
    return qh.BinaryNetwork(task.options["layers"], activation=task.options["activation"])


def _trained(task: Task, n_steps: int) -> qh.TrainingResult:
    return qh.train(
        _circuit(task),
        task.arrays["table"],
        qh.ELBO(),
        n_inits=len(task.params),
        n_steps=n_steps,
        start=task.params,
        progress=False,
    )


def _timed(task: Task, n_steps: int) -> float:
    start = time.perf_counter()
    _trained(task, n_steps)
    return time.perf_counter() - start
