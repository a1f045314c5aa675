"""Backends by name, and what becomes of jobs: in this process, or at IBM."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qhypernet import _check, _extras
from qhypernet.samplers._base import Paused

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

_HOW = (
    "set QISKIT_IBM_TOKEN (and QISKIT_IBM_INSTANCE), or save an account once with "
    "QiskitRuntimeService.save_account; docs/hardware.md says how"
)

# Of a device. All that Aer knows would give the compiler a choice of entangling gates, which it
# makes otherwise in each process.
_GATES = ["cz", "id", "rz", "sx", "x"]


class Service(ABC):
    """Where jobs are run and looked up."""

    is_local: bool

    @abstractmethod
    def backend(self, name: str) -> BackendV2:
        """A backend by name.

        Raises:
            ValueError: No such backend; shows the near names.
        """

    @abstractmethod
    def job(self, id: str) -> Any | None:
        """A job handed in earlier; None if it cannot be there any more."""

    @abstractmethod
    def find(self, tag: str) -> Any | None:
        """The job with a tag, or None."""

    def run(self, mode: Any, options: dict[str, Any], pub: Any, shots: int) -> Any:
        """Hands in one PUB."""
        client = _extras.module("qiskit_ibm_runtime.executor_sampler", "ibm")
        return client.Sampler(mode=mode, options=options).run([pub], shots=shots)


class LocalService(Service):
    """Fake backends and Aer: jobs are simulated here and end with this program."""

    is_local = True

    def backend(self, name: str) -> BackendV2:
        """``aer``, or one of the fake backends, which have a real device's noise."""
        if name == "aer":
            return _extras.module("qiskit_aer", "ibm").AerSimulator(basis_gates=_GATES)
        fakes = vars(_extras.module("qiskit_ibm_runtime.fake_provider", "ibm")).values()
        known = {
            fake.backend_name: fake
            for fake in fakes
            if isinstance(fake, type) and hasattr(fake, "backend_name")
        }
        if name not in known:
            raise ValueError(
                f"backend: no such one as {name!r}{_check.near(name, ['aer', *known])}"
            )
        return known[name]()

    def job(self, id: str) -> Any | None:
        """None: it ended with the program that started it, and costs nothing to run again."""
        del id
        return None

    def find(self, tag: str) -> Any | None:
        """None."""
        del tag
        return None


class CloudService(Service):
    """IBM's, by the account of the environment or the one that was saved.

    Args:
        client: A ``QiskitRuntimeService``; None makes one.
    """

    is_local = False

    def __init__(self, client: Any = None) -> None:
        runtime = _extras.module("qiskit_ibm_runtime", "ibm")
        with explained():
            self._client = client or runtime.QiskitRuntimeService()

    def backend(self, name: str) -> BackendV2:
        """A device by name, or ``least_busy``."""
        missing = _extras.module("qiskit.providers.exceptions", "ibm").QiskitBackendNotFoundError
        with explained():
            if name == "least_busy":
                return self._client.least_busy(operational=True, simulator=False)
            try:
                return self._client.backend(name)
            except missing:
                known = [backend.name for backend in self._client.backends()]
        raise ValueError(
            f"backend: no such one as {name!r} for this account{_check.near(name, known)}; "
            f"there are {', '.join(known) or 'none'}"
        )

    def job(self, id: str) -> Any | None:
        """The job.

        Raises:
            ValueError: This account does not know it: it was another's, or was deleted.
        """
        missing = _extras.module("qiskit_ibm_runtime.exceptions", "ibm").RuntimeJobNotFound
        with explained():
            try:
                return self._client.job(id)
            except missing:
                pass
        raise ValueError(
            f"job {id}: not found by this account; was it started from another one? It is not "
            "handed in again, since it may have been paid for"
        )

    def find(self, tag: str) -> Any | None:
        """The job with a tag."""
        with explained():
            return next(iter(self._client.jobs(limit=1, job_tags=[tag])), None)


def service_of(name: str) -> Service:
    """Where a backend of this name is: fake ones and Aer are here, all others at IBM."""
    local = name == "aer" or name.startswith("fake") or name.startswith("aer")
    return LocalService() if local else CloudService()


@contextmanager
def explained() -> Iterator[None]:
    """Says in one line, and without the token, what a call to the service ran into.

    Raises:
        ValueError: There is no account, or it may not do this.
        Paused: The service is out of reach or the token is no longer good.
    """
    errors = _extras.module("qiskit_ibm_runtime.exceptions", "ibm")
    accounts = _extras.module("qiskit_ibm_runtime.accounts.exceptions", "ibm")
    requests = _extras.module("qiskit_ibm_runtime.api.exceptions", "ibm")
    base = _extras.module("qiskit.exceptions", "ibm").QiskitError
    network = _extras.module("requests.exceptions", "ibm").RequestException
    sdk = _extras.module("ibm_cloud_sdk_core", "ibm").ApiException
    try:
        yield
    except accounts.AccountNotFoundError:
        raise ValueError(f"account: expected one at IBM Quantum, got none; {_HOW}") from None
    except accounts.AccountsError as error:
        raise ValueError(f"account: {_without_token(error)}; {_HOW}") from None
    except errors.IBMInputValueError as error:
        raise ValueError(f"IBM's client refuses it: {_without_token(error)}") from None
    except errors.IBMNotAuthorizedError:
        raise Paused(f"account: IBM refused the token, which may have expired; {_HOW}") from None
    except (sdk, requests.ApiError, errors.IBMError, network, base, ConnectionError) as error:
        text = _without_token(error)
        if any(word in text.lower() for word in ("401", "unauthorized", "api key could not be")):
            raise Paused(
                f"account: IBM refused the token, which may have expired; {_HOW}"
            ) from None
        raise Paused(f"IBM's service did not do what it was asked to: {text}") from None


def _without_token(error: BaseException) -> str:
    """A message in one line; a token is never shown."""
    text = " ".join(str(error).split())
    token = os.environ.get("QISKIT_IBM_TOKEN")
    return text.replace(token, "(token)") if token else text
