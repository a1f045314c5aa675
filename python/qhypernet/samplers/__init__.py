"""Where measured bits come from, one source a file."""

from qhypernet.samplers._base import Sampler, Streams
from qhypernet.samplers.statevector import StatevectorSampler

__all__ = ["Sampler", "StatevectorSampler", "Streams"]
