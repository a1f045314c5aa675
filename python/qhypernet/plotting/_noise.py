"""What noise makes of trained circuits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from qhypernet.plotting._figure import Figure
from qhypernet.plotting._style import GREY, TRAINED, house_style, light_grid

if TYPE_CHECKING:
    import xarray as xr


def noise_resilience(curve: xr.Dataset) -> Figure:
    """Draw how measures change as noise grows: median and range over starts.

    Args:
        curve: as :func:`qhypernet.noise.resilience` gives it: ``resilience`` (rate, init, measure)
            and ``ideal`` (init, measure).

    Raises:
        ValueError: if there is no rate.

    Example:
        >>> import xarray as xr
        >>> curve = xr.Dataset(
        ...     {"resilience": (("rate", "init", "measure"), [[[0.9]], [[0.7]]]),
        ...      "ideal": (("init", "measure"), [[0.92]])},
        ...     coords={"rate": [0.0, 0.1], "measure": ["accuracy"]})
        >>> [axes.get_ylabel() for axes in noise_resilience(curve).axes]
        ['accuracy']
    """
    names = [str(name) for name in curve["measure"].values]
    if not curve.sizes["rate"]:
        raise ValueError("curve must hold at least one rate")
    rates = curve["rate"].values
    with house_style():
        figure = Figure(figsize=(2.9 * len(names), 2.8), layout="constrained")
        for name, axes in zip(names, figure.subplots(1, len(names), squeeze=False)[0], strict=True):
            values = curve["resilience"].sel(measure=name)
            axes.fill_between(
                rates, values.min("init"), values.max("init"), color=TRAINED, alpha=0.2, linewidth=0
            )
            axes.plot(rates, values.median("init"), color=TRAINED, marker="o")
            ideal = float(curve["ideal"].sel(measure=name).median())
            axes.axhline(ideal, color=GREY, linestyle="--", linewidth=1.2)
            axes.set(xlabel="depolarising rate of a gate", ylabel=name)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            light_grid(axes)
    return figure
