"""Named random streams for what is drawn in Python."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, purpose: str, init: int) -> np.random.Generator:
    """The generator of the stream (seed, purpose, init), as in the core: never shared.

    The name has a fixed number of 32-bit words, since ``SeedSequence`` takes trailing zeros for
    nothing.
    """
    words = [seed % 2**32, seed >> 32, zlib.crc32(purpose.encode()), init]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))
