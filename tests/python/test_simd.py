"""Every instruction set gives the same numbers, up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from qhypernet import _core

CODE = """
import sys, numpy as np, qhypernet as qh
from qhypernet import _core
assert _core.simd_level() == sys.argv[1], _core.simd_level()
rng = np.random.default_rng(1)
numbers = []
for n, dtype in [(3, "double"), (6, "single"), (13, "double"), (14, "single")]:
    c = qh.ansatz.hardware_efficient(n, 2, entangler="rzz", topology="circular")
    s = c.simulate(rng.uniform(-3, 3, c.n_params), dtype=dtype)
    numbers += [s.probabilities() * 2**n, s.gradient(rng.normal(size=2**n))]
net = qh.BinaryNetwork((2, 3, 1), "tanh")
X, y = rng.normal(size=(50, 2)), np.arange(50) % 2
table = net.log_likelihood_table(X, y)
c = qh.ansatz.hardware_efficient(13, 2)
r = qh.train(c, table, qh.ELBO(), n_inits=2, n_steps=3)
numbers += [table, r.params, r.history.objective.values]
c = qh.ansatz.hardware_efficient(12, 3)
s = c.simulate(rng.uniform(-3, 3, c.n_params))
numbers += [s.probabilities() * 2**12, s.gradient(rng.normal(size=2**12))]
np.savez(sys.argv[2], *numbers)
"""
# A few thousand roundings of numbers of order 1 in single precision, which dominates here.
TOLERANCE = 2e-4
LEVELS = ("baseline", "avx2", "avx512")


def numbers(level: str, path: str) -> list[np.ndarray]:
    """What a process with that instruction set works out."""
    environment = {**os.environ, "QHYPERNET_SIMD": level}
    subprocess.run([sys.executable, "-c", CODE, level, path], env=environment, check=True)
    with np.load(path) as file:
        return [file[name] for name in file.files]


@pytest.mark.parametrize("level", LEVELS[: LEVELS.index(_core.simd_level())])
def test_a_lower_instruction_set_agrees_with_the_best(level: str, tmp_path: object) -> None:
    best = numbers(_core.simd_level(), f"{tmp_path}/best.npz")
    lower = numbers(level, f"{tmp_path}/lower.npz")
    for a, b in zip(best, lower, strict=True):
        single = a.size in (2**6, 2**14) or a.shape == lower[3].shape or a.shape == lower[7].shape
        tolerance = TOLERANCE if single else 1e-11
        np.testing.assert_allclose(b, a, rtol=tolerance, atol=tolerance)
