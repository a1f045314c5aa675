"""Quantum hypernetworks as scikit-learn estimators.

They are also ``qhypernet.QHNClassifier`` and ``qhypernet.QHNRegressor``.
"""

from qhypernet.estimators._base import Uncertainty
from qhypernet.estimators.classifier import QHNClassifier
from qhypernet.estimators.regressor import QHNRegressor

__all__ = ["QHNClassifier", "QHNRegressor", "Uncertainty"]
