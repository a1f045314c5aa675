"""The threads that the core runs on."""

from __future__ import annotations

from qhypernet import _check, _core


def num_threads() -> int:
    """How many threads the core uses: at first ``QHYPERNET_NUM_THREADS``, or all cores."""
    return _core.num_threads()


def set_num_threads(n_threads: int) -> None:
    """Makes the core use so many threads in this process. Results do not depend on it.

    Example:
        >>> import qhypernet as qh
        >>> before = qh.num_threads()
        >>> qh.set_num_threads(1)
        >>> qh.num_threads()
        1
        >>> qh.set_num_threads(before)
    """
    _core.set_num_threads(_check.integer("n_threads", n_threads, 1, 2**32))
