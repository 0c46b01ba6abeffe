"""Rules of waiting as a picture: for each rule how long cars wait, how many never start, and the energy delivered."""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

COLOURS = {
    "none": "#8d99ae",
    "fifo": "#3d5a80",
    "backfill": "#0b6e4f",
    "spare-backfill": "#7fb685",
    "least-laxity": "#c8553d",
}
PANELS = (
    ("mean wait of all cars, s", "mean_wait_s", 1.0),
    ("95 % wait less than, s", "p95_wait_s", 1.0),
    ("never started, % of cars", "never_started", 100.0),
    ("energy delivered, % of what was asked for", "delivered", 100.0),
)


def plot(results: Sequence[Json], path: Path) -> None:
    """A row of bars for each result, a bar for each rule: the mean over the seeds, and a dot for each seed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(
        len(results), len(PANELS), figsize=(13, 0.7 + 1.75 * len(results)), layout="constrained", squeeze=False
    )
    for result, row in zip(results, rows, strict=True):
        runs = result.get("runs", [result])
        for axes, (heading, name, factor) in zip(row, PANELS, strict=True):
            _draw(axes, runs, name, factor)
            axes.set_title(heading if axes in rows[0] else "", fontsize=9)
        row[0].set_ylabel(_label(result["settings"]), fontsize=8)
        for axes in row[1:]:
            axes.set_yticklabels([])
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw(axes: Any, runs: Sequence[Json], name: str, factor: float) -> None:
    rules = list(runs[0]["rules"])
    values = [[factor * run["rules"][rule][name] for run in runs] for rule in rules]
    means = [statistics.fmean(of_seeds) for of_seeds in values]
    axes.barh(rules, means, color=[COLOURS[rule] for rule in rules], height=0.7)
    most = max(max(of_seeds) for of_seeds in values) or 1.0
    for place, (mean, of_seeds) in enumerate(zip(means, values, strict=True)):
        axes.plot(of_seeds, [place] * len(of_seeds), ".", color="black", markersize=3)
        text = f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"
        axes.text(max(of_seeds) + 0.03 * most, place, text, fontsize=8, va="center")
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_xlim(0, 1.2 * most)
    axes.spines[["top", "right"]].set_visible(False)


def _label(settings: Json) -> str:
    if settings.get("trace"):
        cars = "real, as flexible" if settings["flexible"] in {None, True} else "real, as rigid"
    elif settings["flexible"]:
        share = settings.get("flexible_share", 1.0)
        cars = f"mix {settings['mix']}, " + ("flexible" if share >= 1 else f"{100 * share:.0f} % flexible")
    else:
        cars = f"mix {settings['mix']}, rigid"
    early = f"\n{100 * settings['stop_early']:.0f} % stop early" if settings.get("stop_early") else ""
    demand = f"\ndemand {settings['demand']:g}" if settings.get("demand") else ""
    return f"{cars}{demand}{early}"


def main() -> None:
    """`python -m smartgrid.simulation.waiting_plot PICTURE RESULT...`: several results of `--wait --json` in one."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    given = parser.parse_args()
    plot([json.loads(path.read_text()) for path in given.results], given.picture)


if __name__ == "__main__":
    main()
