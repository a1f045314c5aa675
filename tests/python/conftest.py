"""Fixtures for all tests."""

from collections.abc import Iterator

import pytest

import qhypernet as qh


@pytest.fixture
def restored_threads() -> Iterator[None]:
    """Gives the number of threads back as it was."""
    before = qh.num_threads()
    yield
    qh.set_num_threads(before)
