"""What calls to IBM's service can run into, with the client's own exceptions."""

from types import SimpleNamespace

import numpy as np
import pytest
from fake_service import FakeService
from ibm_cloud_sdk_core import ApiException
from qiskit.providers.exceptions import QiskitBackendNotFoundError
from qiskit_ibm_runtime import Batch, Session
from qiskit_ibm_runtime.accounts.exceptions import InvalidAccountError
from qiskit_ibm_runtime.api.exceptions import RequestsApiError
from qiskit_ibm_runtime.exceptions import (
    IBMInputValueError,
    IBMNotAuthorizedError,
    IBMRuntimeError,
    RuntimeJobNotFound,
)
from qiskit_ibm_runtime.fake_provider import FakeManilaV2
from requests.exceptions import ConnectionError as NoConnection

import qhypernet as qh
from qhypernet.samplers import IBMRuntimeSampler, Paused, Streams
from qhypernet.samplers._service import CloudService, explained

TOKEN = "x" * 12


class _Client:
    """The calls of ``QiskitRuntimeService`` that are made."""

    def backends(self):
        return [SimpleNamespace(name=name) for name in ("ibm_torino", "ibm_fez")]

    def backend(self, name):
        if name != "ibm_torino":
            raise QiskitBackendNotFoundError("No backend matches the criteria.")
        return FakeManilaV2()

    def least_busy(self, **filters):
        assert filters == {"operational": True, "simulator": False}
        return FakeManilaV2()

    def job(self, id):
        if id != "known":
            raise RuntimeJobNotFound(f"Job not found: {id}")
        return id

    def jobs(self, limit, job_tags):
        return ["tagged"] if job_tags == ["mine"] and limit == 1 else []


def test_devices_and_jobs_are_found():
    service = CloudService(_Client())
    assert service.backend("ibm_torino").num_qubits == 5
    assert service.backend("least_busy").num_qubits == 5
    assert service.job("known") == "known"
    assert (service.find("mine"), service.find("other")) == ("tagged", None)
    with pytest.raises(ValueError, match=r"^backend: no such one as 'ibm_turin' .*'ibm_torino'"):
        service.backend("ibm_turin")
    # A job that is gone may have been paid for: it is not handed in again behind one's back.
    with pytest.raises(ValueError, match=r"^job lost: not found by this account"):
        service.job("lost")


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (IBMNotAuthorizedError(f"bad {TOKEN}"), Paused, "^account: IBM refused the token, which"),
        (IBMRuntimeError("Failed: 401 Client Error"), Paused, "^account: IBM refused the token"),
        (
            ApiException(400, message="Provided API key could not be found."),
            Paused,
            "^account: IBM refused",
        ),
        (
            InvalidAccountError(f"Invalid {TOKEN}"),
            ValueError,
            r"^account: 'Invalid \(token\)'; set",
        ),
        (IBMInputValueError("no pubs"), ValueError, "^IBM's client refuses it: .*no pubs"),
        (RequestsApiError("503 Server Error", 503), Paused, "^IBM's service did not .*503"),
        (NoConnection(f"https://?token={TOKEN}"), Paused, r"^IBM's service did .*token=\(token\)"),
        (TimeoutError("timed out"), TimeoutError, "^timed out"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_error_is_one_line_without_the_token(error, kind, message, monkeypatch):
    monkeypatch.setenv("QISKIT_IBM_TOKEN", TOKEN)
    with pytest.raises(kind, match=message) as found, explained():
        raise error
    assert TOKEN not in str(found.value)
    assert len(str(found.value).splitlines()) == 1


@pytest.mark.parametrize(("mode", "kind"), [("batch", Batch), ("session", Session)])
def test_jobs_are_queued_together_where_that_was_asked_for(tmp_path, mode, kind):
    service = FakeService(tmp_path)
    sampler = IBMRuntimeSampler("fake_manila", mode=mode, service=service)
    streams = Streams(0, 0, np.zeros(1, dtype=int), np.zeros(1, dtype=int))
    for _ in range(2):
        sampler.sample(qh.ansatz.brickwork(2, 1), np.zeros((1, 4)), 4, streams)
    sampler.close()
    first, second = service.modes
    assert type(first) is kind
    assert first is second
