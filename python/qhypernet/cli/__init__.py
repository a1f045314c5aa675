"""The command ``qhypernet``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module

import typer
from rich.console import Console

_COMMANDS = ("train", "sweep", "tune", "report", "reproduce", "export", "hardware", "info")


def __getattr__(name: str) -> object:
    """``app``, the command line with all commands, for what asks for it."""
    if name == "app":
        return _build(_COMMANDS)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["app", "main"]


def _build(names: Iterable[str]) -> typer.Typer:
    """The command line with these commands, each from a module of its own."""
    app = typer.Typer(
        name="qhypernet",
        help="Train binary neural networks with quantum circuits, the Bayesian way.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        # With it a command is asked for by name even where there is one only.
        callback=lambda: None,
    )
    for name in names:
        module = import_module(f"qhypernet.cli.{name}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, name))
    return app


def main() -> None:
    """Runs the command; an error that the user can mend is one line, not a traceback."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    # A short command takes about as long as what it loads: nothing for the sake of the others.
    asked = [name for name in sys.argv[1:2] if name in _COMMANDS]
    with _without_dask(unless="sweep" in asked):
        try:
            _build(asked or _COMMANDS)(prog_name="qhypernet")
        except (
            ValueError,
            TypeError,
            ArithmeticError,
            MemoryError,
            OSError,
            RuntimeError,
            ImportError,
        ) as error:
            console.print("[bold red]Error:[/]", end=" ")
            console.print(str(error), markup=False)
            sys.exit(1)


@contextmanager
def _without_dask(*, unless: bool) -> Iterator[None]:
    """Wherever dask is installed xarray loads it, which takes longer than a short training does."""
    if unless or not sys.modules.keys().isdisjoint({"dask", "xarray"}):
        yield
        return
    sys.modules["dask"] = None  # type: ignore[assignment]  # "not to be found" to any import
    try:
        yield
    finally:
        del sys.modules["dask"]
