"""What is called after each step of a training.

A callback is a plain function of a :class:`qhypernet.TrainingStep`; training ends where it returns
True. Several go in a list. They follow a training and have no part in it: the same seed gives the
same result with any or none. One that is a context manager is entered before the first step and
left after the last, however training ends.

Stopping early and checkpoints, which do have a part in it, are ``stopping=EarlyStopping(...)`` and
``checkpoint="training.nc"`` of :func:`qhypernet.train`.

Example:
    >>> import pathlib, tempfile, qhypernet as qh
    >>> data = qh.datasets.moons()
    >>> def until_it_is_good(step):
    ...     return step.metrics("validation")["accuracy"].max() > 0.8
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = pathlib.Path(folder) / "log.jsonl"
    ...     model = qh.QHNClassifier(
    ...         n_inits=2, random_state=0, callback=[qh.callbacks.JSONLines(log), until_it_is_good]
    ...     ).fit(data.X_train, data.y_train, X_val=data.X_test, y_val=data.y_test)
    ...     lines = log.read_text().splitlines()
    >>> len(lines) == model.n_iter_ < 200
    True
"""

from qhypernet._step import Callback, TrainingStep
from qhypernet.callbacks.json_lines import JSONLines
from qhypernet.callbacks.tensorboard import TensorBoard

__all__ = ["Callback", "JSONLines", "TensorBoard", "TrainingStep"]
