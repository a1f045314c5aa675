"""The fields of a run's description, from the models that read it."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx

from qhypernet.config import RunConfig

_PAGE = "reference/description.md"
_HEAD = """\
# Descriptions

A run is described by a TOML file, `qhypernet train --config run.toml`. Studies
([tuning](../tuning.md)) and sweeps are descriptions with a table more, `[tune]` or `[sweep]`. Every
field has a default but the data's `source`, and a field that does not exist is an error. A number
that may change during training is written as a number or as `"3000:30"`: from 3000 to 30,
geometrically; `"3000:30:linear"` and `"3000:30:cosine"` say otherwise.
"""


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield from ["", f"## `[{name}]`", "", (model.__doc__ or "").strip(), ""]
    yield from ["| field | type | if not given | |", "| --- | --- | --- | --- |"]
    for field, info in model.model_fields.items():
        cells = [f"`{field}`", _type(info.annotation), _default(info), info.description or ""]
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type(annotation: Any) -> str:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(a) for a in arguments if a is not type(None)))
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "schedule"
    return {"str": "text", "bool": "true or false", "int": "integer", "float": "number"}.get(
        annotation.__name__, annotation.__name__
    )


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True) if not info.is_required() else None
    if info.is_required() or value is PydanticUndefined:
        return "**needed**"
    if value is None:
        return ""
    return f"`{value}`" if not isinstance(value, tuple) else ", ".join(f"`{v}`" for v in value)


def _write(app: Sphinx) -> None:
    lines = [_HEAD]
    for name, info in RunConfig.model_fields.items():
        kinds = (info.annotation, *typing.get_args(info.annotation))
        (model,) = [k for k in kinds if isinstance(k, type) and issubclass(k, BaseModel)]
        lines += _section(name, model)
    page = Path(app.srcdir) / _PAGE
    page.parent.mkdir(exist_ok=True)
    page.write_text("\n".join(lines) + "\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Before the pages are read."""
    app.connect("builder-inited", _write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
