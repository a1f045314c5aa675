"""Times qhypernet beside its peers, in one run, and writes tables and plots.

Every peer runs in a process of its own, does the same work on the same input, and its result is
compared with ours before anything is timed. Repetitions are interleaved (ours, peer, peer, ours,
...), and a ratio is the median over rounds of a peer's time over ours in that round, so that a load
on the machine that comes and goes weighs on all. Each peer has the threads (one, or all cores) and
the settings (fused gates and the like) that a trial finds best for it. A peer that is not installed
or cannot do a case is listed with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import _output
import _plan
from _case import OURS
from _measure import Bench
from _worker import HERE, Pool

# Seconds of repetitions that a case gets, beyond the least number of rounds.
BUDGET, QUICK_BUDGET = 3.0, 0.5
# Longer than a compilation, or any call with 26 qubits, should take; and with 28.
TIMEOUT, HUGE_TIMEOUT = 180.0, 1800.0
EXAMPLES = """\
examples:
  python benches/_environments.py              install the peers that do not fit beside ours
  python benches/compare.py --quick            small sizes, about a minute
  python benches/compare.py                    all cases, about 15 minutes
  python benches/compare.py --only "gradient"  cases whose name has this text
  python benches/compare.py --peers jax,qulacs only these peers: files of benches/peers
  python benches/compare.py --report --write   the last run once more, and into benches/README.md

Brackets hold quartiles, parentheses the peer's threads. A ratio above 1 means that qhypernet is
faster. Results go to benches/results: report.md, rows.json and plots. Close other programs first,
or trust the ratios only.
"""


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    known = {path.stem for path in (HERE / "peers").glob("*.py")} - {"__init__", "task", OURS}
    options.peers = set(filter(None, options.peers.split(",")))
    if unknown := options.peers - known:
        parser.error(f"--peers: expected some of {', '.join(sorted(known))}, got {unknown.pop()}")
    if not options.report:
        _measure(options)
    text = _output.report()
    print(text)
    print(f"\nwritten: {_output.RESULTS / 'report.md'}", file=sys.stderr)
    if options.write:
        for path in _output.write(text):
            print(f"written: {path}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, few repetitions")
    size.add_argument("--full", action="store_true", help="states of 24 qubits too")
    size.add_argument("--huge", action="store_true", help="28 qubits only: wants 24 GB")
    size.add_argument("--report", action="store_true", help="no measuring: report the last run")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    parser.add_argument("--peers", default="", metavar="A,B", help="only these peers")
    parser.add_argument("--write", action="store_true", help="put the report into the README")
    parser.add_argument("--keep-logs", metavar="FOLDER", help="what the peers print")
    return parser


def _measure(options: argparse.Namespace) -> None:
    cases = _plan.full(24 if options.full else 22)
    if options.quick:
        cases = _plan.quick()
    elif options.huge:
        cases = _plan.huge()
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(options.keep_logs or folder)
        logs.mkdir(parents=True, exist_ok=True)
        pool = Pool(Path(folder), logs, HUGE_TIMEOUT if options.huge else TIMEOUT)
        bench = Bench(pool, QUICK_BUDGET if options.quick else BUDGET)
        try:
            for case in cases:
                if options.only in case.name:
                    bench.measure(case.beside(options.peers) if options.peers else case)
                    # After each case: a run that is interrupted can still be reported.
                    _output.save(bench.rows, pool.versions)
        finally:
            pool.close()
    if not bench.rows:
        raise SystemExit(f"--only: expected a part of a case's name, got {options.only!r}")


if __name__ == "__main__":
    main()
