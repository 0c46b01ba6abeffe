"""Cars as a load test sends them: so many, more and more often over a ramp-up. Pure.

Car `index` of a seed depends on these two alone, not on how many cars there are, nor on who sends them. Energies are
log-normal, truncated: mean 8.6, median 5.9, 95 % quantile 25.5 kWh, fitted to the sessions of ACN-Data (Lee, Li, Low:
"ACN-Data: Analysis and Applications of an Open EV Charging Dataset", e-Energy 2019; Caltech garage, May to December
2019: 8.6, 5.9, 26.0 kWh). Powers are those of mix c, independent of the energy. A car stays until it is full.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import accumulate
from random import Random
from statistics import NormalDist

from smartgrid.domain.request import ChargeRequest, PowerRange, default_min_power_kw
from smartgrid.workload.car import MIXES, Car

MIX = MIXES["c"]
ENERGY_MIN_KWH = 0.5
ENERGY_MAX_KWH = 60.0

_ENERGY_LOG = NormalDist(1.7775, 0.9168)
_QUANTILE_LOW = _ENERGY_LOG.cdf(math.log(ENERGY_MIN_KWH))
_QUANTILE_HIGH = _ENERGY_LOG.cdf(math.log(ENERGY_MAX_KWH))
_POWERS_KW = tuple(MIX)
_CUMULATIVE_SHARES = tuple(accumulate(MIX.values()))


def ramp(requests: int, ramp_up_s: float, seed: int) -> list[Car]:
    """So many cars in the order in which they come."""
    return [Car(arrival_s(index, requests, ramp_up_s), request_of(seed, index)) for index in range(requests)]


def arrival_s(index: int, requests: int, ramp_up_s: float) -> float:
    """Seconds after the start at which car `index` of `requests` comes.

    Users come in evenly over the ramp-up and each asks at the same pace, so the number of requests grows with the
    square of time: the k-th of N comes at ramp_up * sqrt(k / N). With a ramp-up of 0 all come at once.
    """
    return ramp_up_s * math.sqrt(index / requests)


def request_of(seed: int, index: int) -> ChargeRequest:
    """What the `index`-th car of a seed asks for."""
    rng = Random(f"{seed}:{index}")
    vehicle_id = f"EV-{rng.getrandbits(24):06x}-{index}"
    energy_kwh, max_kw = energy_kwh_at(rng.random()), max_power_kw_at(rng.random())
    return ChargeRequest(vehicle_id, energy_kwh, PowerRange(default_min_power_kw(max_kw), max_kw))


def energy_kwh_at(quantile: float) -> float:
    """The energy that this share (0..1) of all cars stays below, to the Wh."""
    inside = _QUANTILE_LOW + quantile * (_QUANTILE_HIGH - _QUANTILE_LOW)
    energy_kwh = math.exp(_ENERGY_LOG.inv_cdf(inside))
    return round(min(max(energy_kwh, ENERGY_MIN_KWH), ENERGY_MAX_KWH), 3)


def max_power_kw_at(quantile: float) -> float:
    """The largest power of the car at this point (0..1) of the mix, smallest power first."""
    return _POWERS_KW[min(bisect_right(_CUMULATIVE_SHARES, quantile), len(_POWERS_KW) - 1)]
