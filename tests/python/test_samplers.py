"""Every sampler does the same thing."""

import numpy as np
import pytest
from oracles import build, n_params_of, random_ops
from qiskit.primitives import StatevectorSampler as TheirSampler
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2 as AerSampler

import qhypernet as qh
from qhypernet.gradients import _samples
from qhypernet.samplers import (
    IBMRuntimeSampler,
    Limits,
    QiskitSampler,
    StatevectorSampler,
    Streams,
)

SHOTS = 2500
MPS = {"backend_options": {"method": "matrix_product_state"}}


def _theirs(seed):
    return TheirSampler(seed=np.random.default_rng(seed))


SAMPLERS = {
    "statevector": StatevectorSampler,
    "qiskit": lambda: QiskitSampler(_theirs),
    "aer": lambda: QiskitSampler(lambda seed: AerSampler(seed=seed)),
    "aer, matrix products": lambda: QiskitSampler(lambda seed: AerSampler(seed=seed, options=MPS)),
    "runtime, aer": lambda: IBMRuntimeSampler("aer"),
    "runtime, twirled": lambda: IBMRuntimeSampler(
        AerSimulator(basis_gates=["cx", "rz", "sx", "x"]), twirling=True
    ),
    "split": lambda: QiskitSampler(_theirs, limits=Limits(SHOTS)),
}


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]()


def _streams(n, *, seed=3, step=0):
    return Streams(seed, step, np.zeros(n, dtype=int), np.arange(n))


def _case(n=4, seed=1):
    rng = np.random.default_rng(seed)
    ops = random_ops(rng, n, 30)
    return build(n, ops), rng.uniform(-3, 3, (3, n_params_of(ops)))


def test_samples_have_the_distribution_of_the_state_and_its_bit_order(sampler):
    circuit, params = _case()
    bits = sampler.sample(circuit, params, SHOTS, _streams(3))
    assert bits.dtype == np.uint8
    assert bits.shape[::2] == (3, 4)
    assert SHOTS <= bits.shape[1] <= SHOTS + 100
    for row, q in zip(bits, circuit.simulate(params).probabilities(), strict=True):
        found = np.bincount(_samples.outcomes(row), minlength=16) / len(row)
        # 48 comparisons at five standard deviations; angles are rounded to 1.6e-5 in local mode.
        assert (abs(found - q) <= 5 * np.sqrt(q * (1 - q) / len(row)) + 1e-3).all()


def test_column_i_is_qubit_i(sampler):
    circuit = qh.Circuit(5)
    for q in range(5):
        circuit.rx(q)
    angles = np.pi * np.array([[1, 0, 0, 1, 0], [0, 1, 1, 0, 1]])
    bits = sampler.sample(circuit, angles, 50, _streams(2))
    expected = np.broadcast_to((angles > 0)[:, None, :], bits.shape)
    np.testing.assert_array_equal(bits, expected)


def test_a_seed_gives_its_bits_and_another_or_another_step_others(sampler):
    circuit, params = _case()
    first, again, other, later = (
        sampler.sample(circuit, params, 200, streams)
        for streams in (_streams(3), _streams(3), _streams(3, seed=4), _streams(3, step=1))
    )
    np.testing.assert_array_equal(first, again)
    for bits in (other, later):
        assert (bits != first).any()


def test_equal_settings_in_one_batch_have_independent_samples(sampler):
    circuit = qh.Circuit(1)
    circuit.ry(0)
    bits = sampler.sample(circuit, np.full((4, 1), np.pi / 2), SHOTS, _streams(4))[..., 0]
    bound = 5 * np.sqrt(0.25 / SHOTS)
    for i, a in enumerate(bits):
        assert abs(a.mean() - 0.5) < bound
        for b in bits[:i]:
            assert abs((a == b).mean() - 0.5) < bound


def test_parameters_that_no_gate_has_and_that_compilation_drops_are_left_out(sampler):
    circuit = qh.Circuit(2, n_params=4)
    circuit.rx(0, param=3)
    circuit.rx(1, param=1)
    circuit.rz(0, param=2)  # just before measurement
    bits = sampler.sample(circuit, np.array([[9.0, np.pi, 5.0, 0.0]]), 20, _streams(1))
    np.testing.assert_array_equal(bits, np.broadcast_to([0, 1], bits.shape))


def test_a_gradient_takes_any_sampler(sampler):
    circuit = qh.ansatz.hardware_efficient(3, 1)
    table = np.random.default_rng(6).normal(-8, 3, 8)
    gradient = qh.gradients.ParameterShift(60, sampler)
    r = qh.train(circuit, table, qh.SELBO(), n_inits=2, n_steps=2, gradient=gradient)
    assert np.isfinite(r.history["objective"]).all()


def test_jobs_hold_what_limits_allow():
    limits = Limits(executions=1000, megabytes=1)
    assert limits.parts(25, 10, 100) == [slice(0, 10), slice(10, 20), slice(20, 30)]
    # 20,000 numbers are 0.5 MB at 25 characters each.
    assert limits.parts(4, 20_000, 2) == [slice(0, 2), slice(2, 4)]
    with pytest.raises(ValueError, match=r"^shots: expected at most 1000 .* got 1001"):
        limits.parts(1, 1, 1001)


def test_twirling_gives_whole_randomisations():
    circuit, params = _case()
    bits = SAMPLERS["runtime, twirled"]().sample(circuit, params, 1000, _streams(3))
    assert bits.shape == (3, 1024, 4)


def test_a_device_has_its_noise_layout_and_gates():
    circuit = qh.ansatz.hardware_efficient(4, 1)
    sampler = IBMRuntimeSampler("fake_manila", transpiler_seed=5)
    compiled = sampler.compiled(circuit)
    assert compiled is sampler.compiled(circuit)
    assert set(compiled.circuit.count_ops()) <= {"cx", "rz", "sx", "x", "measure", "barrier"}
    assert sorted(compiled.qubits) == sorted(set(compiled.qubits))
    assert compiled.two_qubit_gates == 3
    again = type(compiled).from_bytes(compiled.to_bytes())
    assert (again.qubits, again.columns) == (compiled.qubits, compiled.columns)
    bits = sampler.sample(circuit, np.zeros((1, 8)), SHOTS, _streams(1))
    assert 0.001 < bits.mean() < 0.1
    calibration = qh.Circuit(4)
    for q in range(4):
        calibration.rx(q)
    assert sampler.on([3, 1, 0, 2]).compiled(calibration).qubits == [3, 1, 0, 2]
    # 4,000 times 250 microseconds and the circuit's own time, and 2 s.
    assert 3 < sampler.seconds(compiled, 4000) < 3.1


def test_fixed_angles_of_rzz_are_those_that_a_device_takes():
    # Entangling by RZZ alone, the compiler makes angles of -pi/2.
    fractional = AerSimulator(basis_gates=["rzz", "rz", "sx", "x"])
    circuit, params = _case()
    sampler = IBMRuntimeSampler(fractional)
    gates = sampler.compiled(circuit).circuit.get_instructions("rzz")
    angles = [gate.params[0] for gate in gates if not gate.operation.is_parameterized()]
    assert angles
    assert all(0 <= angle <= np.pi / 2 + 1e-10 for angle in angles)
    bits = sampler.sample(circuit, params[:1], SHOTS, _streams(1))[0]
    q = circuit.simulate(params[0]).probabilities()
    found = np.bincount(_samples.outcomes(bits), minlength=16) / SHOTS
    assert (abs(found - q) <= 5 * np.sqrt(q * (1 - q) / SHOTS) + 1e-3).all()


def test_aer_without_noise_has_the_gates_of_a_device():
    # With a choice of entangling gates the compiler takes other ones in each process.
    circuit, _ = _case()
    gates = set(IBMRuntimeSampler("aer").compiled(circuit).circuit.count_ops())
    assert gates <= {"cz", "id", "rz", "sx", "x", "barrier", "measure"}


def test_idle_qubits_are_decoupled():
    circuit = qh.ansatz.hardware_efficient(3, 2)
    sampler = IBMRuntimeSampler("fake_manila", dynamical_decoupling="XY4")
    assert sampler.sample(circuit, np.zeros((1, 12)), 20, _streams(1)).shape == (1, 20, 3)


def _twirl_fractional_gates():
    circuit = qh.Circuit(2)
    circuit.rzz(0, 1)
    circuit.rx(0)
    sampler = IBMRuntimeSampler(AerSimulator(), twirling=True)
    sampler.sample(circuit, np.ones((1, 2)), 10, _streams(1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_twirl_fractional_gates, "twirling: .*fractional"),
        (lambda: IBMRuntimeSampler("fake_manilla"), r"backend: no such one.*did you mean 'fake_ma"),
        (lambda: IBMRuntimeSampler("aer", mode="bacth"), r"mode: expected.*did you mean 'batch'"),
        (lambda: IBMRuntimeSampler("aer", dynamical_decoupling="X"), "dynamical_decoupling: exp"),
        (lambda: IBMRuntimeSampler("aer", optimization_level=4), "optimization_level: expected"),
        (lambda: IBMRuntimeSampler(3), "backend: expected a name or a Qiskit backend, got 3"),
        (lambda: QiskitSampler(3), "sampler: expected a Qiskit sampler .* got 3"),
        (lambda: QiskitSampler(lambda seed: seed), "sampler: expected a Qiskit sampler"),
        (lambda: QiskitSampler(TheirSampler(seed=1)), "sampler: expected .* without a fixed seed"),
        (lambda: QiskitSampler(lambda seed: TheirSampler(seed=seed)), "sampler: expected .*equal"),
        (lambda: Limits(0), "executions: expected a whole number of at least 1, got 0"),
        (
            lambda: IBMRuntimeSampler("fake_manila").compiled(qh.Circuit(6)),
            "circuit: expected at most 5 qubits, those of fake_manila, got 6",
        ),
        (
            lambda: IBMRuntimeSampler("fake_manila").sample(
                qh.ansatz.brickwork(2, 1), np.zeros((1, 4)), 100_001, _streams(1)
            ),
            "shots: expected at most 100000 for fake_manila, got 100001",
        ),
    ],
)
def test_what_cannot_be_is_one_clear_line(make, message):
    with pytest.raises((ValueError, TypeError), match=rf"^{message}"):
        make()


def test_without_an_account_it_says_how_to_get_one(monkeypatch, tmp_path):
    from qiskit_ibm_runtime.accounts import management

    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(tmp_path / "none"))
    for name in ("QISKIT_IBM_TOKEN", "QISKIT_IBM_CHANNEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"^account: expected one.*QISKIT_IBM_TOKEN.*docs/hard"):
        IBMRuntimeSampler("ibm_torino")
