"""The training loop: against plain NumPy, and across interruptions."""

import os
import signal
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest
from oracles import build, cotangent, divergence, n_params_of, prior_probabilities, random_ops

import qhypernet as qh
from qhypernet import _loop, _stretch
from qhypernet.gradients import Evaluation, Exact, Sampled

# Ten steps of Adam from gradients that agree to 1e-13; where a gradient is nearly 0 its direction
# is divided by its own size, which amplifies.
TRAINING_TOLERANCE = 1e-9
HISTORY = ("objective", "expected_nll", "regularizer", "gradient_norm")
N = 4
OBJECTIVES = [
    qh.MLE(),
    qh.ELBO(beta=qh.Schedule(4, 1)),
    qh.SELBO(weight=12.0, kernel=qh.HammingKernel((1.4, 2.6))),
]


def _case(seed=0):
    rng = np.random.default_rng(seed)
    ops = random_ops(rng, N, 40)
    circuit = build(N, ops)
    for qubit in range(N):
        circuit.ry(qubit, angle=0.6 + 0.2 * qubit)
    table = rng.normal(-9, 3, 2**N)
    prior = qh.BernoulliPrior(N, rng.uniform(0.2, 0.8, N))
    return circuit, table, prior, rng.uniform(-3, 3, (3, n_params_of(ops)))


def _train(objective=OBJECTIVES[1], **options):
    circuit, table, prior, _ = _case()
    settings = {"n_inits": 3, "n_steps": 12, "prior": prior, "seed": 5} | options
    return qh.train(circuit, table, objective, **settings)


def _assert_equal(a, b):
    np.testing.assert_array_equal(a.params, b.params)
    for name in HISTORY:
        np.testing.assert_array_equal(a.history[name].values, b.history[name].values)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
def test_equals_adam_on_naive_gradients(objective):
    circuit, table, prior, start = _case()
    p, n_steps = prior_probabilities(prior.p_plus), 10
    r = qh.train(
        circuit,
        table,
        objective,
        n_inits=3,
        n_steps=n_steps,
        optimizer=qh.Adam(0.07),
        start=start,
        prior=prior,
    )
    weights = [
        4.0 * 0.25 ** (step / (n_steps - 1)) if objective.name == "elbo" else objective.weight
        for step in range(n_steps)
    ]
    np.testing.assert_allclose(r.history["weight"], weights, rtol=1e-14)
    np.testing.assert_array_equal(r.history["learning_rate"], [0.07] * n_steps)
    for i, params in enumerate(start):
        mean = square = np.zeros_like(params)
        for step, weight in enumerate(weights):
            at = qh.ELBO(weight) if objective.name == "elbo" else objective
            state = circuit.simulate(params)
            q = state.probabilities()
            gradient = state.gradient(cotangent(q, p, table, at))
            here = r.history.isel(init=i, step=step)
            parts = -float(q @ table), weight * divergence(q, p, at)
            expected = (sum(parts), *parts, np.linalg.norm(gradient))
            found = [float(here[name]) for name in HISTORY]
            np.testing.assert_allclose(found, expected, rtol=0, atol=TRAINING_TOLERANCE)
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            scale = np.sqrt(square / (1 - 0.999 ** (step + 1))) + 1e-8
            params = params - 0.07 * mean / (1 - 0.9 ** (step + 1)) / scale
        np.testing.assert_allclose(r.params[i], params, rtol=0, atol=TRAINING_TOLERANCE)


def test_mean_field_finds_a_posterior_that_is_a_product():
    n = 5
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    table = bits @ np.array([1.2, -0.8, 0.3, 2.0, -1.5])
    prior = qh.BernoulliPrior(n, [0.3, 0.5, 0.6, 0.7, 0.4])
    circuit = qh.ansatz.brickwork(n, 1)
    r = qh.train(circuit, table, qh.ELBO(), n_inits=4, n_steps=400, prior=prior)
    posterior = qh.exact_posterior(table, prior)
    assert (posterior.kl_from(r.probabilities()) < 1e-6).all()
    np.testing.assert_allclose(r.history["objective"][:, -1], -posterior.log_evidence, atol=1e-6)


def test_the_history_is_labelled_and_the_seed_is_told():
    r = _train(seed=None, n_inits=2, n_steps=4)
    assert dict(r.history.sizes) == {"init": 2, "step": 4}
    for name in HISTORY:
        assert r.history[name].dims == ("init", "step")
        assert np.isfinite(r.history[name]).all()
    assert r.params.shape == (2, r.circuit.n_params)
    _assert_equal(r, _train(seed=r.seed, n_inits=2, n_steps=4))
    assert _train(seed=None, n_inits=1, n_steps=1).seed != r.seed


@pytest.mark.parametrize("options", [{}, {"gradient": "sampled", "shots": 8}], ids=str)
def test_a_problem_is_its_table_and_rows_do_not_depend_on_the_batch(options):
    net = qh.BinaryNetwork((1, 2), bias=True)
    problem = qh.Problem(net, [[0.4], [-1.0], [2.0]], [0, 1, 1])
    circuit = _case()[0]
    few = qh.train(circuit, problem, OBJECTIVES[1], n_inits=2, n_steps=6, **options)
    many = qh.train(circuit, problem.table, OBJECTIVES[1], n_inits=7, n_steps=6, **options)
    np.testing.assert_array_equal(few.params, many.params[:2])
    np.testing.assert_array_equal(few.history["objective"], many.history["objective"][:2])


def _given(monkeypatch, change):
    """Lets the gradient give ``change`` of what it found."""
    original = Exact.__call__

    def call(self, *args, **options):
        return change(original(self, *args, **options))

    monkeypatch.setattr(Exact, "__call__", call)
    monkeypatch.setattr(_stretch, "MOST", 1)


def test_a_gradient_s_arrays_lie_in_memory_as_they_like(monkeypatch):
    expected = _train()

    def scattered(found):
        nll, regularizer = np.stack(found[:2], axis=1).T
        return Evaluation(nll, regularizer, np.asfortranarray(found.gradient))

    _given(monkeypatch, scattered)
    _assert_equal(_train(), expected)
    _given(monkeypatch, lambda found: Evaluation(*(part.astype(np.float32) for part in found)))
    np.testing.assert_array_equal(
        _train(n_steps=1).history["expected_nll"][:, 0],
        expected.history["expected_nll"][:, 0].astype(np.float32),
    )


def test_a_gradient_of_other_shapes_is_told(monkeypatch):
    _given(monkeypatch, lambda found: found._replace(regularizer=0.0))
    message = (
        r"^gradient: expected both parts of 3 objectives.*got arrays of shapes \[\[3\], \[\]\]"
    )
    with pytest.raises(ValueError, match=message):
        _train()


def _interrupting(monkeypatch, gradient, at_step, times=1):
    original = gradient.__call__

    def call(self, *args, step, **options):
        found = original(self, *args, step=step, **options)
        if step == at_step:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(gradient, "__call__", call)
    monkeypatch.setattr(_stretch, "MOST", 1)


@pytest.mark.parametrize("at_step", [0, 4, 11])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda o: o.name)
@pytest.mark.parametrize(
    ("gradient", "options"), [(Exact, {}), (Sampled, {"gradient": "sampled", "shots": 6})]
)
def test_an_interrupted_training_goes_on_as_if_nothing_had_been(
    monkeypatch, tmp_path, gradient, options, objective, at_step
):
    expected = _train(objective, **options)
    handler, file = signal.getsignal(signal.SIGINT), tmp_path / "training.nc"
    with monkeypatch.context() as patch:
        _interrupting(patch, gradient, at_step)
        with pytest.raises(qh.Interrupted, match=rf"after step {at_step + 1} of 12 and saved to"):
            _train(objective, checkpoint=file, **options)
    assert signal.getsignal(signal.SIGINT) is handler
    assert [path.name for path in tmp_path.iterdir()] == ["training.nc"]
    _assert_equal(_train(objective, checkpoint=file, **options), expected)


def test_a_training_that_dies_goes_on_from_its_last_checkpoint(monkeypatch, tmp_path):
    expected = _train()
    monkeypatch.setattr(_loop, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    original, steps = Exact.__call__, []

    def dying(self, *args, step, **options):
        steps.append(step)
        if len(steps) == 8:
            raise OSError("the machine is gone")
        return original(self, *args, step=step, **options)

    monkeypatch.setattr(Exact, "__call__", dying)
    monkeypatch.setattr(_stretch, "MOST", 1)
    with pytest.raises(OSError, match="gone"):
        _train(checkpoint=tmp_path / "c.nc")
    _assert_equal(_train(checkpoint=tmp_path / "c.nc"), expected)
    assert steps == [*range(8), *range(7, 12)]


def test_an_interruption_without_a_checkpoint_says_so_and_a_second_one_stops_at_once(monkeypatch):
    with monkeypatch.context() as patch:
        _interrupting(patch, Exact, 3)
        with pytest.raises(qh.Interrupted, match="after step 4 of 12; nothing was saved"):
            _train()
    _interrupting(monkeypatch, Exact, 3, times=2)
    with pytest.raises(KeyboardInterrupt) as caught:
        _train()
    assert not isinstance(caught.value, qh.Interrupted)


def test_ctrl_c_in_a_process_of_its_own(tmp_path):
    script = textwrap.dedent("""
        import sys, time
        import numpy as np, qhypernet as qh
        from qhypernet import _stretch
        from qhypernet.gradients import Exact
        out, slow = sys.argv[1], sys.argv[2] == "slow"
        original = Exact.__call__
        def call(self, *args, step, **options):
            if step == 20:
                print("running", flush=True)
            time.sleep(0.005)
            return original(self, *args, step=step, **options)
        if slow:
            Exact.__call__, _stretch.MOST = call, 1
        circuit = qh.ansatz.hardware_efficient(4, 2)
        table = np.random.default_rng(0).normal(-5, 2, 16)
        checkpoint = f"{out}/c.nc" if sys.argv[2] != "whole" else None
        try:
            r = qh.train(circuit, table, qh.ELBO(), n_inits=3, n_steps=2000, checkpoint=checkpoint)
        except qh.Interrupted as e:
            sys.exit(f"interrupted: {e}")
        np.savez(f"{out}/{sys.argv[2]}.npz", params=r.params, objective=r.history["objective"])
    """)

    def command(mode):
        return [sys.executable, "-c", script, str(tmp_path), mode]

    with subprocess.Popen(
        command("slow"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "running\n"
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors
    assert errors.startswith("interrupted: stopped after step ")
    for mode in ("resumed", "whole"):
        subprocess.run(command(mode), check=True, timeout=60)
    resumed, whole = (np.load(tmp_path / f"{mode}.npz") for mode in ("resumed", "whole"))
    np.testing.assert_array_equal(resumed["params"], whole["params"])
    np.testing.assert_array_equal(resumed["objective"], whole["objective"])


def _interrupted_file(tmp_path):
    file = tmp_path / "c.nc"
    with pytest.MonkeyPatch.context() as patch:
        _interrupting(patch, Exact, 5)
        with pytest.raises(qh.Interrupted):
            _train(checkpoint=file)
    return file


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 6},
        {"n_steps": 13},
        {"n_inits": 4},
        {"objective": qh.ELBO(beta=qh.Schedule(4, 1, "linear"))},
        {"objective": qh.ELBO(beta=qh.Schedule(4, 1, fraction=0.5))},
        {"objective": qh.ELBO(beta=qh.Schedule(4 + 1e-9, 1))},
        {"objective": qh.SELBO()},
        {"optimizer": qh.Adam(0.2)},
        {"prior": qh.BernoulliPrior(N, 0.4)},
        {"start": "near_identity"},
        {"gradient": "sampled", "shots": 5},
    ],
    ids=str,
)
def test_a_checkpoint_of_another_training_is_refused(tmp_path, other):
    file = _interrupted_file(tmp_path)
    content = file.read_bytes()
    with pytest.raises(ValueError, match=r"^checkpoint: expected .*c\.nc to hold this training"):
        _train(**other, checkpoint=file)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"this is no checkpoint",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
    ],
    ids=["empty", "text", "half", "a byte short"],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    file = _interrupted_file(tmp_path)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"c\.nc"):
        _train(checkpoint=file)


def _positions(file, content):
    """A walk through the file, and where it says where its arrays are: that has no checksum."""
    yield from range(7, len(content), len(content) // 60)
    with h5py.File(file) as saved:
        offsets = [saved[name].id.get_offset() for name in ("params", *HISTORY)]
    for offset in offsets:
        entry = content.index(offset.to_bytes(8, "little"))
        yield from range(entry - 28, entry + 8, 5)


# The reader's own clean-up of a file that it could not open complains too.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_damage_inside_a_checkpoint_never_changes_the_result(tmp_path):
    file, expected = _interrupted_file(tmp_path), _train()
    content = file.read_bytes()
    for position in list(_positions(file, content)):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        file.write_bytes(damaged)
        try:
            found = _train(checkpoint=file)
        except ValueError as error:
            assert "c.nc" in str(error)  # noqa: PT017
            continue
        _assert_equal(found, expected)  # The damage hit what nobody reads.


def _call(**options):
    circuit, table, prior, start = _case()
    arguments = {"circuit": circuit, "table": table, "objective": qh.MLE(), "start": start}
    arguments |= {"n_inits": 3, "n_steps": 1, "prior": prior} | options
    circuit, table, objective = (arguments.pop(k) for k in ("circuit", "table", "objective"))
    return qh.train(circuit, table, objective, **arguments)


BAD_ARGUMENTS = [
    ("objective", {"objective": "elbo"}),
    ("objective", {"objective": qh.ELBO}),
    ("table", {"table": [np.nan] * 16}),
    ("circuit", {"circuit": qh.ansatz.brickwork(5, 1)}),
    ("circuit", {"table": np.zeros(12)}),
    ("circuit", {"circuit": qh.Circuit(4)}),
    ("prior", {"prior": qh.BernoulliPrior(3)}),
    ("start", {"start": np.zeros((2, 2))}),
    ("start", {"start": np.full((3, 11), np.nan)}),
    ("start", {"start": "near_unifrom"}),
    ("gradient", {"gradient": "exct"}),
    ("shots", {"gradient": "sampled"}),
    ("shots", {"gradient": "exact", "shots": 10}),
    ("shots", {"gradient": "sampled", "shots": 2}),
    ("shots", {"gradient": "sampled", "shots": 0}),
    ("shots", {"gradient": "sampled", "shots": 5.5}),
    ("n_inits", {"n_inits": 0}),
    ("n_steps", {"n_steps": 0}),
    ("n_steps", {"n_steps": 1.5}),
    ("seed", {"seed": -1}),
    ("seed", {"seed": 2**64}),
    ("seed", {"seed": 0.5}),
    ("seed", {"seed": True}),
    ("optimizer", {"optimizer": 0.1}),
]


@pytest.mark.parametrize(("argument", "options"), BAD_ARGUMENTS)
def test_a_bad_argument_is_named(argument, options):
    with pytest.raises((ValueError, TypeError), match=rf"^{argument}: expected .*, got "):
        _call(**options)
