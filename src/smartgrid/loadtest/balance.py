"""How evenly the substations are loaded, from samples of the balancer's fleet. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev


@dataclass(frozen=True)
class FleetSample:
    """Load in % of capacity for each substation, `at_s` seconds after the start of the run."""

    at_s: float
    load_percentages: Mapping[str, float]


def fleet_sample(at_s: float, document: object) -> FleetSample | None:
    """The sample in a balancer's answer to GET /substations; None if it holds no load."""
    rows = document.get("substations") if isinstance(document, dict) else None
    loads = dict(_known_loads(rows if isinstance(rows, list) else []))
    return FleetSample(at_s, loads) if loads else None


def _known_loads(rows: Iterable[object]) -> Iterable[tuple[str, float]]:
    for row in rows:
        if isinstance(row, dict) and isinstance(row.get("load_percentage"), int | float):
            yield str(row.get("name")), float(row["load_percentage"])


def balance_of(samples: Iterable[FleetSample]) -> dict[str, float | None]:
    """`load_percentage_sd`: mean over the samples of the standard deviation across substations, in percentage points.
    `load_percentage_max_deviation`: largest distance of any substation from the mean of its sample.

    Samples in which nothing is loaded say nothing about balance and are left out. None where nothing was measured.
    """
    loaded = [list(s.load_percentages.values()) for s in samples if any(s.load_percentages.values())]
    return {
        "load_percentage_sd": fmean(map(pstdev, loaded)) if loaded else None,
        "load_percentage_max_deviation": max(map(_max_deviation, loaded)) if loaded else None,
    }


def _max_deviation(loads: Sequence[float]) -> float:
    mean = fmean(loads)
    return max(abs(load - mean) for load in loads)
