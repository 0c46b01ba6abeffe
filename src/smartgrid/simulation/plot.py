"""The result as a picture."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

Json = dict[str, Any]

COLOURS = {"least-loaded": "#0b6e4f", "best-fit": "#c8553d"}
OTHER_COLOUR = "#8d99ae"


def plot(result: Json, path: Path) -> None:
    """Accepted energy against evenness, a point a seed and policy: the best are on the upper left."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    runs = result.get("runs", [result])
    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for marker, policy in zip("oDs^vP*X", runs[0]["policies"], strict=False):
        colour = COLOURS.get(policy, OTHER_COLOUR)
        x, y = zip(*(_point(run, policy) for run in runs), strict=True)
        axes.scatter(x, y, color=colour, alpha=0.35, s=20, marker=marker)
        mean_x, mean_y = [statistics.fmean(x)], [statistics.fmean(y)]
        axes.scatter(mean_x, mean_y, color=colour, s=90, marker=marker, edgecolor="black", label=policy, zorder=3)
    axes.set_xlabel("unevenness: standard deviation of load % over the substations (mean over arrivals)")
    axes.set_ylabel("accepted energy, % of the optimum" if _has_optimum(runs) else "accepted energy, kWh")
    axes.set_title(_title(result["settings"], len(runs)))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def _point(run: Json, policy: str) -> tuple[float, float]:
    row = run["policies"][policy]
    optimum_kwh = run["optimum"]["accepted_kwh"]
    accepted = 100 * row["accepted_kwh"] / optimum_kwh if optimum_kwh else row["accepted_kwh"]
    return row["load_percentage_sd"], accepted


def _has_optimum(runs: list[Json]) -> bool:
    return all(run["optimum"]["accepted_kwh"] for run in runs)


def _title(settings: Json, seeds: int) -> str:
    source = settings.get("trace") or f"mix {settings['mix']}, {'flexible' if settings['flexible'] else 'rigid'}"
    demand = f", demand {settings['demand']:g}" if settings.get("demand") else ""
    return f"{source}, {settings['substations']} substations{demand}, {seeds} seed{'s' if seeds > 1 else ''}"
