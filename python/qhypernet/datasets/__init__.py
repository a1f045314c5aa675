"""Data sets: the paper's synthetic ones, a curve for regression, two real ones, and any CSV file.

Nothing here touches the network. scikit-learn and pandas are imported when a data set is built, so
that importing this module stays fast.
"""

from qhypernet.datasets._bundled import breast_cancer, digits
from qhypernet.datasets._csv import read_csv
from qhypernet.datasets._dataset import Dataset
from qhypernet.datasets._load import load, names
from qhypernet.datasets._synthetic import gaussian, moons, rings, wave

__all__ = [
    "Dataset",
    "breast_cancer",
    "digits",
    "gaussian",
    "load",
    "moons",
    "names",
    "read_csv",
    "rings",
    "wave",
]
