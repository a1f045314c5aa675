"""Trained networks in forms that run without this package.

Every function takes a fitted :class:`qhypernet.QHNClassifier` or :class:`qhypernet.QHNRegressor`, a
run read by :func:`qhypernet.runs.read`, or an :class:`Ensemble`: one network, or several with
weights, whose average is the prediction. What an exported model takes are the features that its
source took: shifting, scaling and projecting them is part of it.

Example:
    >>> import pathlib, tempfile, qhypernet as qh
    >>> data = qh.datasets.moons()
    >>> model = qh.QHNClassifier(n_steps=20, random_state=0).fit(data.X_train, data.y_train)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     qh.export.to_npz(model, pathlib.Path(folder) / "moons.npz", n_networks=1)
    ...     again = qh.export.from_npz(pathlib.Path(folder) / "moons.npz")
    >>> again.bits.shape
    (1, 3)
"""

from qhypernet.export._ensemble import Ensemble
from qhypernet.export.c import to_c
from qhypernet.export.datatree import to_datatree
from qhypernet.export.npz import from_npz, to_npz
from qhypernet.export.onnx import to_onnx

__all__ = ["Ensemble", "from_npz", "to_c", "to_datatree", "to_npz", "to_onnx"]
