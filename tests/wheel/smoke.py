"""Does what a new user does with an installed qhypernet, in the Python that it is installed for.

python smoke.py               # whatever needs an extra says which one
python smoke.py ibm export    # these extras are installed and used
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

import qhypernet as qh

PROGRAMS = {"dashboard"}
"""Extras that bring a program of their own, which nothing here calls."""

STUDY: dict[str, Any] = {
    "data": {"source": "moons", "n_samples": 40},
    "training": {"inits": 2, "steps": 5},
    "tune": {
        "trials": 12,
        "ranges": {
            "objective.weight": {"low": 1.0, "high": 1000.0, "log": True},
            "training.learning_rate": {"low": 0.01, "high": 0.3, "log": True},
        },
    },
}


def package() -> None:
    """What is imported is what was installed, and all of it."""
    assert Path(qh.__file__).resolve().is_relative_to(Path(sys.prefix).resolve()), qh.__file__
    assert qh.__version__ == metadata.version("qhypernet")
    for name in ("py.typed", "_core.pyi", "report/page.html.j2"):
        assert resources.files("qhypernet").joinpath(name).is_file(), name


def training() -> None:
    """A trained circuit is nearer to the exact posterior than it was at the start."""
    data = qh.datasets.moons()
    net = qh.BinaryNetwork((2, 2, 1), activation="tanh")
    problem = qh.Problem(net, data.X_train, data.y_train)
    circuit = qh.ansatz.sign_symmetric(net, n_layers=4)
    posterior = qh.exact_posterior(problem.table)
    objective = qh.ELBO(qh.Schedule(50, 1))
    trained = qh.train(circuit, problem, objective, n_inits=2, start="near_uniform", seed=0)
    kl = posterior.kl_from(trained.probabilities())
    assert kl.max() < 0.5, kl
    q = trained.probabilities()[kl.argmin()]
    prediction = qh.predict(net, data.X_test, q)
    assert qh.prediction.accuracy(prediction.probabilities, data.y_test) > 0.8


@cache
def model() -> tuple[Any, Any]:
    """A fitted classifier and what it says about new points."""
    data = qh.datasets.moons()
    classifier = qh.QHNClassifier(hidden=2, n_inits=2, n_steps=60, random_state=0)
    classifier.fit(data.X_train, data.y_train)
    return classifier, classifier.predict_proba(data.X_test)


def estimator() -> None:
    """What was saved predicts the same."""
    classifier, expected = model()
    classifier.save("model.nc")
    loaded = qh.load("model.nc").predict_proba(qh.datasets.moons().X_test)
    np.testing.assert_array_equal(loaded, expected)
    qh.export.to_c(classifier, "model.h")
    assert Path("model.h").stat().st_size > 1000


def command() -> None:
    """The command trains and writes a report."""
    program = shutil.which("qhypernet", path=sysconfig.get_path("scripts"))
    assert program

    def call(*arguments: str) -> str:
        done = subprocess.run([program, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert qh.__version__ in call("info")
    call("train", "moons", "--hidden", "2", "--inits", "2", "--steps", "20", "--out", "run")
    call("report", "run")
    assert "</html>" in Path("run", "report.html").read_text(encoding="utf-8")


def ibm() -> None:
    """A circuit goes to Qiskit, and runs on a fake device."""
    circuit = qh.ansatz.brickwork(2, 1)
    assert circuit.to_qiskit().num_parameters == circuit.n_params
    shots = qh.samplers.IBMRuntimeSampler("fake_manila").sample(
        circuit, np.zeros((1, circuit.n_params)), 500, streams()
    )
    assert shots.shape == (1, 500, 2)
    assert 0 <= shots.mean() < 0.2  # All 0, but for noise.


def mitigation() -> None:
    """A calibration finds no readout errors where there are none."""
    circuit, sampler = qh.ansatz.brickwork(2, 1), qh.samplers.StatevectorSampler()
    weigh = qh.mitigation.ReadoutMitigation(1000).calibrated(sampler, circuit, seed=0)
    shots = sampler.sample(circuit, np.ones((1, circuit.n_params)), 500, streams())
    np.testing.assert_allclose(weigh(shots), 1 / 500, rtol=1e-5)


def export() -> None:
    """A model leaves as ONNX."""
    qh.export.to_onnx(model()[0], "model.onnx")
    import onnx

    assert [i.name for i in onnx.load("model.onnx").graph.input] == ["features"]


def dask() -> None:
    """A sweep runs on a cluster, and one that queues jobs can be asked for."""
    description = {k: v for k, v in STUDY.items() if k != "tune"}
    description["sweep"] = {"training.seed": [0, 1]}
    with scheduler() as address:
        done = qh.sweep(description, "sweep", dask=address, progress=False)
    assert len(done.entries) == 2
    import dask_jobqueue

    assert dask_jobqueue.SLURMCluster


@contextmanager
def scheduler() -> Iterator[str]:
    """Where a cluster of one worker is; nowhere without dask."""
    if importlib.util.find_spec("distributed") is None:
        yield "tcp://127.0.0.1:9"
        return
    import distributed

    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": ":0"}
    with distributed.LocalCluster(processes=False, **options) as cluster:
        yield cluster.scheduler_address


def searched(sampler: str) -> None:
    """A study with one of Optuna's samplers."""
    study = qh.tune(with_tune(sampler=sampler), f"study-{sampler}", progress=False)
    assert len(study.trials) == STUDY["tune"]["trials"]


def stored(kind: str) -> None:
    """A database's driver is there: it finds nobody at that address."""
    try:
        qh.tune(STUDY, f"study-{kind}", storage=f"{kind}://nobody@127.0.0.1:9/none")
    except ValueError as error:
        if "cannot reach" not in str(error):
            raise
    else:
        raise AssertionError("a database that is not there was reached")


def dashboard() -> None:
    """Optuna's dashboard shows a study's journal."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna_dashboard import wsgi

    qh.tune(with_tune(trials=2), "study-dashboard", progress=False)
    application = wsgi(JournalStorage(JournalFileBackend("study-dashboard/journal.log")))
    from wsgiref.util import setup_testing_defaults

    environment: dict[str, Any] = {"PATH_INFO": "/api/studies"}
    setup_testing_defaults(environment)
    answer = b"".join(application(environment, lambda status, headers, error=None: None))
    assert len(json.loads(answer)["study_summaries"]) == 1, answer


def tensorboard() -> None:
    """A training writes what TensorBoard reads."""
    data = qh.datasets.moons()
    watch = qh.callbacks.TensorBoard("board")
    qh.QHNClassifier(hidden=2, n_inits=2, n_steps=5, callback=watch).fit(data.X_train, data.y_train)
    assert list(Path("board").glob("events.*"))


def with_tune(**changes: Any) -> dict[str, Any]:
    """The study with other settings."""
    return STUDY | {"tune": STUDY["tune"] | changes}


def streams() -> Any:
    """The random streams of one circuit's shots."""
    one = np.zeros(1, int)
    return qh.samplers.Streams(0, 0, inits=one, settings=one)


EXTRAS: dict[str, Callable[[], None]] = {
    "ibm": ibm,
    "mitigation": mitigation,
    "export": export,
    "dask": dask,
    "cmaes": lambda: searched("cmaes"),
    "gp": lambda: searched("gp"),
    "postgresql": lambda: stored("postgresql"),
    "mysql": lambda: stored("mysql"),
    "dashboard": dashboard,
    "tensorboard": tensorboard,
}


def refused(extra: str) -> None:
    """Without its extra, a feature says how to get it."""
    try:
        EXTRAS[extra]()
    except (ImportError, ValueError) as error:
        if f"pip install 'qhypernet[{extra}]'" not in str(error):
            raise
    else:
        raise AssertionError(f"{extra} is here without having been installed")


def main(extras: list[str]) -> None:
    for check in (package, training, estimator, command):
        check()
    for extra in extras:
        EXTRAS[extra]()
    if not extras:
        for extra in sorted(EXTRAS.keys() - PROGRAMS):
            refused(extra)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        main(sys.argv[1:])
