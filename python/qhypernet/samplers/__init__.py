"""Where measured bits come from, one source a file."""

from qhypernet.samplers._base import Paused, Sampler, Streams
from qhypernet.samplers._jobs import JobError, JobSampler, Limits
from qhypernet.samplers.ibm import IBMRuntimeSampler
from qhypernet.samplers.ledger import Budget, Ledger, Record
from qhypernet.samplers.primitive import QiskitSampler
from qhypernet.samplers.statevector import StatevectorSampler

__all__ = [
    "Budget",
    "IBMRuntimeSampler",
    "JobError",
    "JobSampler",
    "Ledger",
    "Limits",
    "Paused",
    "QiskitSampler",
    "Record",
    "Sampler",
    "StatevectorSampler",
    "Streams",
]
