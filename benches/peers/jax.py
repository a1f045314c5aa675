"""JAX on the CPU, compiled: forward, reverse mode, and vmap over initialisations.

Written as one would for speed: the rotations between two entanglers become one 2x2 matrix a qubit,
matrices of neighbouring qubits one Kronecker product; CX, SWAP and X become one gather.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np
from jax import numpy as jnp

from peers.task import Gate, Task, Work

PACKAGES = ("jax", "jaxlib")
jax.config.update("jax_enable_x64", True)

PERMUTATIONS = {"x", "cx", "swap"}
# A rotation is cos(angle/2) - i sin(angle/2) P.
PAULIS = {
    "rx": np.array([[0, 1], [1, 0]]),
    "ry": np.array([[0, -1j], [1j, 0]]),
    "rz": np.array([[1, 0], [0, -1]]),
}
KINDS = PERMUTATIONS | set(PAULIS) | {"cz", "rzz"}
# How many qubits' matrices are joined to one.
GROUPS = (3, 4)

Array = jax.Array
Program = Callable[[Array], Array]


def forward(task: Task) -> dict[str, Work]:
    params = jnp.asarray(task.params)

    def work(program: Program) -> Work:
        run = jax.jit(program)
        return lambda: np.asarray(run(params))

    return _ways(task, work)


def gradient(task: Task) -> dict[str, Work]:
    """Of the sum of all Z, as a diagonal."""
    diagonal = jnp.asarray(task.n_qubits - 2.0 * np.bitwise_count(np.arange(2**task.n_qubits)))
    params = jnp.asarray(task.params)

    def work(program: Program) -> Work:
        # The diagonal is an argument: a constant would be folded, and kept in the program.
        run = jax.jit(jax.grad(lambda angles, values: values @ _probabilities(program(angles))))
        return lambda: np.asarray(run(params, diagonal))

    return _ways(task, work)


def batch(task: Task) -> dict[str, Work]:
    """Value and gradient norm of the ELBO of every initialisation, uniform prior."""
    costs = jnp.asarray(task.n_qubits * np.log(2) - task.arrays["table"])
    params = jnp.asarray(task.params)

    def work(program: Program) -> Work:
        def value(angles: Array, costs: Array) -> Array:
            q = _probabilities(program(angles))
            return q @ (jnp.log(jnp.maximum(q, np.finfo(float).tiny)) + costs)

        step = jax.jit(jax.vmap(jax.value_and_grad(value), in_axes=(0, None)))

        def run() -> np.ndarray:
            values, gradients = step(params, costs)
            return np.stack([values, np.linalg.norm(gradients, axis=1)])

        return run

    return _ways(task, work)


def _ways(task: Task, work: Callable[[Program], Work]) -> dict[str, Work]:
    task.need(KINDS)
    task.need_double()
    return {f"groups of {size}": work(_program(task, size)) for size in GROUPS}


def _probabilities(psi: Array) -> Array:
    return psi.real**2 + psi.imag**2


def _program(task: Task, group: int) -> Program:
    """From the angles to the state. Runs of the same sort of gate become one step each."""
    n = task.n_qubits
    steps: list[Callable[[Array, Array], Array]] = []
    run: list[Gate] = []
    sorts = dict.fromkeys(PERMUTATIONS, "permute") | dict.fromkeys(PAULIS, "rotate")
    makers = {
        "permute": lambda run: _permutation(run, n),
        "rotate": lambda run: _rotation(run, n, group),
        "phase": lambda run: _phases(run, n),
    }
    sort = ""
    for gate in task.gates:
        now = sorts.get(gate.name, "phase")
        if run and now != sort:
            steps.append(makers[sort](run))
            run = []
        sort = now
        run.append(gate)
    steps.append(makers[sort](run))

    def program(params: Array) -> Array:
        psi = jnp.zeros(2**n, complex).at[0].set(1.0)
        for step in steps:
            psi = step(psi, params)
        return psi

    return program


def _permutation(run: list[Gate], n: int) -> Callable[[Array, Array], Array]:
    index = np.arange(2**n, dtype=np.int32)
    z = index.copy()
    for gate in run:
        if gate.name == "x":
            source = z ^ (1 << gate.qubits[0])
        elif gate.name == "cx":
            source = z ^ ((z >> gate.qubits[0] & 1) << gate.qubits[1])
        else:
            a, b = gate.qubits
            differ = (z >> a ^ z >> b) & 1
            source = z ^ (differ << a | differ << b)
        index = index[source]
    return lambda psi, params: psi.at[index].get(unique_indices=True, mode="promise_in_bounds")


def _rotation(run: list[Gate], n: int, group: int) -> Callable[[Array, Array], Array]:
    """All qubits' matrices at once, so that the compiler has few operations to look at."""
    by_qubit: list[list[Gate]] = [[] for _ in range(n)]
    for gate in run:
        by_qubit[gate.qubits[0]].append(gate)
    slots = []
    for depth in range(max(map(len, by_qubit))):
        gates = [column[depth] if depth < len(column) else None for column in by_qubit]
        paulis = np.stack([PAULIS[gate.name] if gate else np.eye(2) for gate in gates])
        slots.append((paulis, _angles(gates)))
    n_groups = -(-n // group)
    padding = n_groups * group - n

    def step(psi: Array, params: Array) -> Array:
        matrices = None
        for paulis, angles in slots:
            half = (angles(params) / 2)[:, None, None]
            turned = jnp.cos(half) * np.eye(2) - 1j * jnp.sin(half) * paulis
            matrices = turned if matrices is None else turned @ matrices
        matrices = jnp.concatenate([matrices, jnp.tile(jnp.eye(2), (padding, 1, 1))])
        matrices = matrices.reshape(n_groups, group, 2, 2)
        joined = matrices[:, 0]
        for i in range(1, group):
            joined = jnp.einsum("gij,gkl->gikjl", matrices[:, i], joined)
            joined = joined.reshape(n_groups, 2 ** (i + 1), 2 ** (i + 1))
        for i in range(n_groups):
            width = min(group, n - i * group)
            matrix = joined[i, : 2**width, : 2**width]
            folded = psi.reshape(-1, 2**width, 2 ** (i * group))
            psi = jnp.einsum("ij,ajb->aib", matrix, folded).reshape(-1)
        return psi

    return step


def _phases(run: list[Gate], n: int) -> Callable[[Array, Array], Array]:
    def step(psi: Array, params: Array) -> Array:
        for gate in run:
            low, high = sorted(gate.qubits)
            shape = (2 ** (n - high - 1), 2, 2 ** (high - low - 1), 2, 2**low)
            if gate.name == "cz":
                factors = jnp.asarray([[1.0, 1.0], [1.0, -1.0]])
            else:
                half = _angles([gate])(params)[0] / 2
                factors = jnp.exp(-1j * half * jnp.asarray([[1.0, -1.0], [-1.0, 1.0]]))
            psi = (psi.reshape(shape) * factors[None, :, None, :, None]).reshape(-1)
        return psi

    return step


def _angles(gates: list[Gate | None]) -> Callable[[Array], Array]:
    """Where each gate's angle comes from: the parameters, or fixed; 0 where there is no gate."""
    free = np.array([gate is not None and gate.param is not None for gate in gates])
    index = np.array([gate.param if gate and gate.param is not None else 0 for gate in gates])
    fixed = np.array([gate.angle if gate and gate.param is None else 0.0 for gate in gates])
    return lambda params: jnp.where(free, params[index], fixed)
