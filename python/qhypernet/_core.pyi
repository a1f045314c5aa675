"""The compiled core. Arguments are checked by the modules that call it."""

from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Circuit",
    "Network",
    "Problem",
    "State",
    "__version__",
    "adam_step",
    "all_finite",
    "available_memory",
    "check_memory",
    "descend",
    "directions",
    "evaluate",
    "gate_table",
    "kernel_matrix",
    "median_heuristic",
    "mmd2",
    "mmd2_exact",
    "mmd2_to_prior",
    "num_threads",
    "record",
    "sample_prior",
    "set_num_threads",
    "simd_level",
    "uniforms",
]

_Floats: TypeAlias = NDArray[np.float64]
_Bits: TypeAlias = NDArray[np.uint8]

__version__: str

@final
class Circuit:
    def __new__(cls, n_qubits: int, n_params: int) -> Circuit: ...
    def append(
        self,
        gate: str,
        qubits: list[int],
        param: int | None,
        angle: float | None,
        scale: float,
    ) -> None: ...
    @property
    def n_qubits(self) -> int: ...
    @property
    def n_params(self) -> int: ...
    def instructions(self) -> list[tuple[str, list[int], int | None, float | None, float]]: ...
    def simulate(self, params: _Floats, batch: int, single: bool) -> State: ...
    def sample(
        self, params: _Floats, shots: int, seed: int, streams: list[tuple[int, int]]
    ) -> _Bits: ...

@final
class State:
    @property
    def batch(self) -> int: ...
    def probabilities(self) -> _Floats: ...
    def statevector(self) -> NDArray[np.complexfloating[Any, Any]]: ...
    def sample(self, shots: int, seed: int) -> _Bits: ...
    def gradient(self, cotangent: _Floats) -> _Floats: ...

@final
class Network:
    def __new__(
        cls,
        layers: list[int],
        activations: list[str],
        bias: bool,
        logit_scale: float,
        likelihood: str,
        noise: float,
    ) -> Network: ...
    @property
    def n_weights(self) -> int: ...
    def logits(self, bits: _Bits, x: _Floats) -> _Floats: ...
    def log_likelihood(self, bits: _Bits, x: _Floats, y: _Floats) -> _Floats: ...
    def log_likelihood_table(self, x: _Floats, y: _Floats) -> _Floats: ...
    def predictive(
        self, bits: _Bits | None, probabilities: _Floats, n_distributions: int, x: _Floats
    ) -> tuple[_Floats, _Floats, _Floats]: ...

@final
class Problem:
    def __new__(cls, table: _Floats, p_plus: _Floats) -> Problem: ...
    @property
    def n_weights(self) -> int: ...

def gate_table() -> list[tuple[str, int, str | None, str]]: ...
def adam_step(
    params: _Floats,
    gradient: _Floats,
    mean: _Floats,
    square: _Floats,
    beta1: float,
    beta2: float,
    epsilon: float,
    rate: float,
    scale: float,
) -> _Floats: ...
def all_finite(values: _Floats) -> bool: ...
def record(
    row: _Floats,
    expected_nll: _Floats,
    regularizer: _Floats,
    gradient: _Floats,
    has_expected_nll: bool,
) -> bool: ...
def evaluate(
    circuit: Circuit,
    problem: Problem,
    params: _Floats,
    divergence: str,
    bandwidths: list[float],
    weight: float,
    shots: int | None = None,
    seed: int = 0,
    first_init: int = 0,
    step: int = 0,
) -> tuple[_Floats, _Floats, _Floats]: ...
def descend(
    circuit: Circuit,
    problem: Problem,
    params: _Floats,
    divergence: str,
    bandwidths: list[float],
    weights: list[float],
    shots: int | None,
    seed: int,
    first_init: int,
    step: int,
    mean: _Floats,
    square: _Floats,
    beta1: float,
    beta2: float,
    epsilon: float,
    moves: list[tuple[float, float]],
    history: _Floats,
) -> bool: ...
def uniforms(seed: int, first_init: int, n_inits: int, n: int) -> _Floats: ...
def directions(seed: int, step: int, first_init: int, n_inits: int, n: int) -> _Floats: ...
def sample_prior(seed: int, p_plus: list[float], n_samples: int) -> _Bits: ...
def kernel_matrix(bits_a: _Bits, bits_b: _Bits, bandwidths: list[float]) -> _Floats: ...
def median_heuristic(p_plus: list[float]) -> float: ...
def mmd2(bits_q: _Bits, bits_p: _Bits, bandwidths: list[float], unbiased: bool) -> float: ...
def mmd2_to_prior(
    bits_q: _Bits, p_plus: list[float], bandwidths: list[float], unbiased: bool
) -> float: ...
def mmd2_exact(q: _Floats, p: _Floats, bandwidths: list[float]) -> float: ...
def num_threads() -> int: ...
def set_num_threads(n_threads: int) -> None: ...
def simd_level() -> str: ...
def available_memory() -> int: ...
def check_memory(what: str, needed: int) -> None: ...
