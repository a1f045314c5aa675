"""Figures of a training run and of the trained model, in one style, safe for the colour-blind.

Every function takes arrays and returns a ``matplotlib.figure.Figure``. pyplot is never used, and
the user's matplotlib settings are neither read nor changed.
"""

from qhypernet.plotting._boundary import decision_boundary
from qhypernet.plotting._confusion import confusion
from qhypernet.plotting._distribution import distribution
from qhypernet.plotting._history import gradient_magnitude, ground_truth, training_curves
from qhypernet.plotting._images import hardest_images, weight_map
from qhypernet.plotting._noise import noise_resilience
from qhypernet.plotting._regression import interval_calibration, predictive_band
from qhypernet.plotting._reliability import reliability
from qhypernet.plotting._small_multiples import small_multiples
from qhypernet.plotting._study import compromises, importances, slices, study_history
from qhypernet.plotting._svg import embed

__all__ = [
    "compromises",
    "confusion",
    "decision_boundary",
    "distribution",
    "embed",
    "gradient_magnitude",
    "ground_truth",
    "hardest_images",
    "importances",
    "interval_calibration",
    "noise_resilience",
    "predictive_band",
    "reliability",
    "slices",
    "small_multiples",
    "study_history",
    "training_curves",
    "weight_map",
]
