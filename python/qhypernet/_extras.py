"""Packages that only some users need."""

from __future__ import annotations

import importlib
from typing import Any


def module(name: str, extra: str) -> Any:
    """Imports a package of an extra.

    Raises:
        ModuleNotFoundError: It is not installed; names the extra that brings it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise ModuleNotFoundError(
                f"{error.name} is not installed; it comes with: pip install 'qhypernet[{extra}]'",
                name=error.name,
            ) from None
        raise
