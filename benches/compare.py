"""Times qhypernet beside its peers, in one run, and prints a Markdown table.

Every peer does the same work on the same input and its result is compared with ours first, so a
row is only printed for results that agree. Repetitions are interleaved (ours, peer, ours, ...), and
a ratio is the median over rounds of peer's time / our time in that round, so that a load on the
machine that comes and goes weighs on both. Times are medians; brackets hold the quartiles.
"""

from __future__ import annotations

import os

# Read when the libraries are loaded. On a machine that is not quiet, threads that spin and small
# matrix products on several threads make lightning.qubit and Qiskit up to ten times slower; the
# NumPy peers spend next to no time in matrix products.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from collections.abc import Iterator

import _circuits
import _mmd
import _networks
from _harness import Case, Row, machine, measure, render

# Seconds of repetitions that a case gets where its peers are fast enough to be repeated more often
# than the least number of rounds.
FULL_BUDGET = 4.0
QUICK_BUDGET = 0.6


def cases(quick: bool) -> Iterator[Case]:
    """All cases, each made when its turn comes: inputs of the last one are then free."""
    sizes = (10, 13) if quick else (10, 13, 16, 20)
    for n_qubits in sizes:
        yield _circuits.forward(n_qubits)
    for n_qubits in sizes:
        yield _circuits.gradient(n_qubits)
    yield _networks.table((2, 3, 1), "tanh")
    yield _networks.table((2, 3, 1), "sign")
    if not quick:
        yield _networks.table((16, 1), "identity")
    yield _mmd.samples(1000 if quick else 5000)
    yield _mmd.exact(13 if quick else 20)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""\
examples:
  python benches/compare.py --quick                    n <= 13, under 20 seconds
  python benches/compare.py                            up to n = 20, under 3 minutes
  python benches/compare.py --only gradient            cases whose name has this word
  QHYPERNET_NUM_THREADS=1 python benches/compare.py    one thread for our side
  OMP_NUM_THREADS=1 python benches/compare.py          one thread for lightning.qubit

OMP_WAIT_POLICY is passive and OPENBLAS_NUM_THREADS is 1, which is best for the peers, unless set.
A ratio above 1 means that qhypernet is faster. Close other programs first, or trust the ratios
only.
""",
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and few repetitions")
    parser.add_argument("--only", default="", metavar="WORD", help="cases with WORD in their name")
    options = parser.parse_args()

    rows: list[Row] = []
    for case in cases(options.quick):
        if options.only in case.name:
            rows += measure(case, QUICK_BUDGET if options.quick else FULL_BUDGET)
    if not rows:
        parser.error(f"--only: expected a word of a case's name, got {options.only!r}")
    print(machine())
    print()
    print(render(rows))


if __name__ == "__main__":
    main()
