"""The reference of the Python package: a page for each public module, from its docstrings.

A name is documented once, under the shortest name it can be imported by: ``qhypernet.ELBO`` is on
the page of ``qhypernet.objectives``. References to any other of its names lead there.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import GoogleDocstring
from sphinx.pycode import ModuleAnalyzer

import qhypernet

GROUPS = {
    "Describe": ("circuits", "ansatz", "networks", "problems", "priors", "datasets"),
    "Train": (
        "training", "callbacks", "objectives", "kernels", "gradients", "optimizers", "schedules",
        "stopping", "selection", "recipes", "threads",
    ),
    "Judge": (
        "posterior", "floor", "prediction", "regression", "evaluation", "baselines", "plotting",
    ),
    "Use elsewhere": ("estimators", "export"),
    "Measure on devices": ("samplers", "mitigation", "noise"),
    "Run many": ("runs", "config", "tuning", "sweeps", "experiments", "report"),
}  # fmt: skip
# What ArrayLike and NDArray[float64] stand for, which autodoc writes out.
_ARRAY_LIKE = re.compile(
    r"~?[\w.]*_Buffer \| ~?[\w.]*_SupportsArray\[.*?_NestedSequence\[complex \| bytes \| str\]"
)
_ARRAY = re.compile(
    r"~?(?:numpy\.)?ndarray\[~?(?:typing\.)?tuple\[~?(?:typing\.)?Any, \.\.\.\], "
    r"~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)\]\]"
)
_VERSION = [".. py:data:: __version__", "", "   The version, as text.", ""]
MODULES = [importlib.import_module(f"qhypernet.{n}") for names in GROUPS.values() for n in names]


def public_names(module: ModuleType) -> list[str]:
    """``__all__``; without one what the package exports, and all there is where it is exported."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed, key=str.lower)
    exported = module.__name__.removeprefix("qhypernet.") in qhypernet.__all__
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
        and (exported or name in qhypernet.__all__)
    ]


def shown_name(module: ModuleType, name: str) -> str:
    """The name that it is documented under."""
    value = getattr(module, name)
    if name in qhypernet.__all__ and getattr(qhypernet, name) is value:
        return f"qhypernet.{name}"
    return f"{module.__name__}.{name}"


@cache
def _documented() -> dict[int, tuple[ModuleType, str]]:
    """The page and the name that objects are documented under, by their identity."""
    found: dict[int, tuple[ModuleType, str]] = {}
    for module in MODULES:
        for name in public_names(module):
            found.setdefault(id(getattr(module, name)), (module, shown_name(module, name)))
    return found


def _entry(module: ModuleType, name: str) -> list[str]:
    value, shown = getattr(module, name), shown_name(module, name)
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
        return [f".. {kind}:: {shown}", "   :members:", "   :inherited-members:", ""]
    if inspect.isfunction(value):
        return [f".. autofunction:: {shown}", ""]
    keys = [f"Keys: {', '.join(f'``{key}``' for key in value)}.", ""] if _is_table(value) else []
    text = [*_text_below(name, value), *keys]
    return [f".. py:data:: {name}", "", *(f"   {line}" for line in text), ""]


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _text_below(name: str, value: object) -> list[str]:
    """The docstring below a constant, wherever it is defined."""
    for module in [m for key, m in sys.modules.items() if key.startswith("qhypernet")]:
        if vars(module).get(name) is value:
            found = ModuleAnalyzer.for_module(module.__name__).find_attr_docs().get(("", name))
            if found:
                return found
    raise ValueError(f"{name}: expected a docstring below it")


def _page(module: ModuleType) -> str:
    title = f"``{module.__name__}``"
    # A function may have its module's name; the function is what is meant.
    hidden = (
        ["   :no-index:"]
        if any(module.__name__ == name for _, name in _documented().values())
        else []
    )
    lines = [title, "=" * len(title), "", f".. automodule:: {module.__name__}"]
    lines += [*hidden, ""]
    for name in public_names(module):
        value = getattr(module, name)
        if not inspect.ismodule(value) and _documented()[id(value)][0] is module:
            lines += _entry(module, name)
    return "\n".join(lines)


def _write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    index = ["Python", "======", "", ".. automodule:: qhypernet", "", *_VERSION]
    for group, names in GROUPS.items():
        index += [group, "-" * len(group), "", ".. toctree::", "   :maxdepth: 1", ""]
        index += [*(f"   {name}" for name in names), ""]
    (folder / "index.rst").write_text("\n".join(index))
    for module in MODULES:
        page = folder / f"{module.__name__.removeprefix('qhypernet.')}.rst"
        page.write_text(_page(module))


def _skip(app: Sphinx, what: str, name: str, value: Any, skip: bool, options: object) -> bool:
    """Members that come from other packages are theirs to document."""
    del app, what, name, options
    function = getattr(value, "fget", value)
    owner = getattr(function, "__objclass__", function)
    return skip or not (getattr(owner, "__module__", None) or "qhypernet").startswith("qhypernet")


def _short_types(
    app: Sphinx,
    what: str,
    name: str,
    value: object,
    options: object,
    signature: str | None,
    result: str | None,
) -> tuple[str | None, str | None] | None:
    """Arrays as the code writes them."""
    del app, what, name, value, options
    return (_short(signature), _short(result)) if signature else None


def _short(text: str | None) -> str | None:
    return text and _ARRAY.sub(r"NDArray[\1]", _ARRAY_LIKE.sub("ArrayLike", text))


def _untyped(self: GoogleDocstring) -> tuple[str, list[str]]:
    """An attribute's text, whose ``words: more words`` napoleon would read as ``type: text``."""
    return "", GoogleDocstring(self._dedent(self._consume_to_end()), self._config).lines()


def _resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, text: nodes.Element
) -> nodes.Node | None:
    """Finds what is documented under a shorter name than the one given."""
    if node["refdomain"] != "py":
        return None
    module, target = node.get("py:module") or "qhypernet", node["reftarget"]
    for name in (target, f"{module}.{target}", f"qhypernet.{target}"):
        shown = _shown(name)
        if shown is not None:
            domain, page = env.get_domain("py"), node.get("refdoc", "")
            found = domain.resolve_any_xref(env, page, app.builder, shown, node, text)
            if found:
                return found[0][1]
    # Types of other packages, and types that are not public, stand in signatures as text.
    return text if node.get("reftype") == "class" and _in_signature(node) else None


def _shown(name: str) -> str | None:
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            continue
        for j, part in enumerate(parts[i:], start=i + 1):
            value = getattr(value, part, None)
            if id(value) in _documented():
                return ".".join([_documented()[id(value)][1], *parts[j:]])
        return None
    return None


def _in_signature(node: nodes.Node) -> bool:
    while node.parent is not None:
        node = node.parent
        if isinstance(node, addnodes.desc_signature):
            return True
    return False


def setup(app: Sphinx) -> dict[str, Any]:
    """Pages before they are read, references when they are not found."""
    app.connect("builder-inited", _write)
    app.connect("autodoc-process-signature", _short_types)
    app.connect("autodoc-skip-member", _skip)
    GoogleDocstring._consume_inline_attribute = _untyped
    app.connect("missing-reference", _resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
