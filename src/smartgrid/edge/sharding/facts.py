"""What an edge says of a charger whose connection it passes on, and why the owner believes it. Pure.

A charger proves itself to the edge at which it arrives: over TLS perhaps, with a certificate perhaps, which that edge
or a proxy in front of it has seen and the owner has not. So the edge says what it has seen in a header. Whoever can
reach the owner's port could write such a header as well, so it is signed (HMAC-SHA256) with a secret that all edges
share, and is good for one charger, one owner, and `GOOD_FOR_S`. The network between edges is no reason to believe it:
in a cluster everyone is on it.

Without a secret nothing is believed. Then a connection that was passed on is what it looks like, one without TLS and
without a certificate: chargers of security profile 1 come through, as their key is in the request, and the others are
refused by the owner. That it *was* passed on needs no proof: all that follows is that it is not passed on again.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from smartgrid.edge.ports import ChargerId
from smartgrid.runtime.bounded_file import first_bytes
from smartgrid.runtime.start_error import StartError

HEADER = "Smartgrid-Passed-On"
GOOD_FOR_S = 60.0
LEAST_SECRET_BYTES = 32
MAX_SECRET_BYTES = 4096
MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Facts:
    """How a charger has connected: over TLS, by which name in its certificate if it showed one, from where."""

    is_encrypted: bool = False
    certificate_name: str | None = None
    address: str = ""


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False, frozen=True)

    owner: str
    charger: Annotated[list[str], Field(min_length=2, max_length=2)]
    at_s: float
    is_encrypted: bool
    certificate_name: str | None = Field(max_length=1024)
    address: str = Field(max_length=64)


def say(by: str, owner: str, charger: ChargerId, facts: Facts, secret: bytes | None, wall_s: float) -> str:
    """The header's value."""
    if secret is None:
        return by
    said = {
        "by": by,
        "owner": owner,
        "charger": list(charger),
        "at_s": wall_s,
        "is_encrypted": facts.is_encrypted,
        "certificate_name": facts.certificate_name,
        "address": facts.address,
    }
    content = to_json(said)
    return f"{urlsafe_b64encode(content).decode()}.{_signature(content, secret)}"


def believe(values: Sequence[str], owner: str, charger: ChargerId, secret: bytes | None, wall_s: float) -> Facts | None:
    """What a peer has said to this `owner` of this charger; None where there is nothing that can be believed."""
    if secret is None or len(values) != 1 or len(values[0]) > MAX_LENGTH:
        return None
    encoded, _, signature = values[0].partition(".")
    try:
        content = urlsafe_b64decode(encoded.encode("ascii"))
        if not hmac.compare_digest(_signature(content, secret).encode(), signature.encode("ascii")):
            return None
        said = _Said.model_validate_json(content)
    except (ValueError, ValidationError):
        return None
    is_meant = said.owner == owner and said.charger == list(charger) and abs(wall_s - said.at_s) <= GOOD_FOR_S
    return Facts(said.is_encrypted, said.certificate_name, said.address) if is_meant else None


def load_secret(file: Path) -> bytes:
    """The secret of all edges, just as it is: random bytes may begin or end with white space.

    Raises StartError: one sentence that says what would be right.
    """
    try:
        secret = first_bytes(file, MAX_SECRET_BYTES)
    except (OSError, ValueError) as error:
        raise StartError(f"SMARTGRID_PEER_SECRET_FILE cannot be read: {error}") from None
    if len(secret) < LEAST_SECRET_BYTES:
        raise StartError(f"SMARTGRID_PEER_SECRET_FILE must have {LEAST_SECRET_BYTES} random bytes at least")
    return secret


def _signature(content: bytes, secret: bytes) -> str:
    return urlsafe_b64encode(hmac.digest(secret, b"smartgrid passed on\0" + content, sha256)).decode()
