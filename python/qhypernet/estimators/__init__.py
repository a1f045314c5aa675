"""Quantum hypernetworks as scikit-learn estimators.

They are also ``qhypernet.QHNClassifier`` and ``qhypernet.QHNRegressor``.
"""

from __future__ import annotations

import os

from qhypernet.estimators import _file
from qhypernet.estimators._base import Uncertainty
from qhypernet.estimators.classifier import QHNClassifier
from qhypernet.estimators.regressor import QHNRegressor

__all__ = ["QHNClassifier", "QHNRegressor", "Uncertainty", "load"]


def load(path: str | os.PathLike[str]) -> QHNClassifier | QHNRegressor:
    """Reads a fitted model that its ``save`` wrote.

    No file can make it run code: all that is in one is numbers, names of this package's own parts,
    and text.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no model, of a format that this version does not know, or damaged.

    Warns:
        UserWarning: A parameter was an object of one's own: predictions are as before, but a new
            fit takes the parameter's default.
    """
    model = _file.load(path)
    assert isinstance(model, QHNClassifier | QHNRegressor)
    return model
