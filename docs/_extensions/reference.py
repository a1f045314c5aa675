"""The reference of the Python package: a page for each public module, from its docstrings.

A name is documented once, under the shortest name it can be imported by: ``qhypernet.ELBO`` is on
the page of ``qhypernet.objectives``. References to any other of its names lead there.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

PACKAGE = "qhypernet"
PAGES = {
    "Describe": ("circuits", "ansatz", "networks", "problems", "priors", "datasets"),
    "Train": (
        "training", "objectives", "kernels", "gradients", "optimizers", "schedules", "stopping",
        "selection", "recipes", "threads",
    ),
    "Look at what was trained": (
        "posterior", "floor", "prediction", "regression", "evaluation", "plotting", "baselines",
    ),
    "Inside other tools": ("estimators", "export"),
    "Devices": ("samplers", "mitigation", "noise"),
    "Many runs": ("runs", "config", "tuning", "sweeps", "experiments", "report"),
}  # fmt: skip


def public_names(module: ModuleType) -> list[str]:
    """``__all__``, or all that is defined there and does not begin with an underscore."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def canonical(module: ModuleType, name: str) -> str:
    """The name that it is documented under."""
    package = importlib.import_module(PACKAGE)
    value = getattr(module, name)
    if name in package.__all__ and getattr(package, name) is value:
        return f"{PACKAGE}.{name}"
    return f"{module.__name__}.{name}"


def _directive(value: object) -> str:
    if inspect.isclass(value):
        return "autoexception" if issubclass(value, BaseException) else "autoclass"
    return "autofunction" if inspect.isfunction(value) else "autodata"


def _page(module: ModuleType) -> str:
    title = f"``{module.__name__}``"
    lines = [title, "=" * len(title), "", f".. automodule:: {module.__name__}", ""]
    for name in sorted(public_names(module), key=str.lower):
        value = getattr(module, name)
        if not inspect.ismodule(value):
            lines += [f".. {_directive(value)}:: {canonical(module, name)}", ""]
    return "\n".join(lines)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    index = ["Python", "======", "", f".. automodule:: {PACKAGE}", "   :no-members:", ""]
    for group, names in PAGES.items():
        index += [group, "-" * len(group), "", ".. toctree::", "   :maxdepth: 1", ""]
        for name in names:
            index.append(f"   {name}")
            page = _page(importlib.import_module(f"{PACKAGE}.{name}"))
            (folder / f"{name}.rst").write_text(page)
        index.append("")
    (folder / "index.rst").write_text("\n".join(index))


def setup(app: Sphinx) -> dict[str, Any]:
    """Before the pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
