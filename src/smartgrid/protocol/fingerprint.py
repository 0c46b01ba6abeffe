"""The fingerprint of a request to charge: what a key belongs to (docs/protocol.md).

Two requests are the same if they mean the same: a minimum that is left out and the minimum that is then filled in, a
departure in one time zone and in another. A substation keeps the fingerprint with the session, so that it need not
compare floats and times with a tolerance, and tells by it a repeat from another car with a used key.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import blake2b

from smartgrid.protocol.models import ChargeBody


def fingerprint(body: ChargeBody) -> str:
    """96 bits of BLAKE2b over the request with nothing left out, 16 characters."""
    power, departure = body.power, body.departure_time
    departure_ms = None if departure is None else round(departure.timestamp() * 1000)
    return fingerprint_of(body.vehicle_id, body.wanted_kwh, power.min_kw, power.max_kw, departure_ms)


def fingerprint_of(
    vehicle_id: str, energy_kwh: float, min_power_kw: float, max_power_kw: float, departure_ms: int | None
) -> str:
    """The same of the single values; `departure_ms` is in milliseconds since 1970, UTC."""
    canonical = f"{float(energy_kwh)!r} {float(min_power_kw)!r} {float(max_power_kw)!r} {departure_ms} {vehicle_id}"
    return urlsafe_b64encode(blake2b(canonical.encode(), digest_size=12).digest()).decode()
