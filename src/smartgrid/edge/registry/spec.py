"""A charger's registration: what may stand in one, its row in the registry, the file that an operator keeps. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from smartgrid.edge.ports import ChargerId, ChargerSpec, ConnectorSpec
from smartgrid.edge.registry import keys

MAX_CONNECTORS = 32
MAX_NAME = 48
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


class SpecError(ValueError):
    """A registration that cannot be; the message is one sentence."""


def is_substation(text: str) -> bool:
    """Whether this can name a substation: a DNS label."""
    return _LABEL.fullmatch(text) is not None


def is_charger(text: str) -> bool:
    """Whether this can name a charger: printable, without slashes, at most 48 characters, and no step in a path."""
    return 1 <= len(text) <= MAX_NAME and text.isprintable() and not set(text) & set("/\\") and text not in (".", "..")


def check(charger: ChargerId, spec: ChargerSpec) -> None:
    """Raises SpecError."""
    name = f"charger {charger.charger!r} of {charger.substation!r}"
    if not is_substation(charger.substation):
        raise SpecError(f"{name}: a substation's name must be a DNS label such as substation-0")
    if not is_charger(charger.charger):
        raise SpecError(f"{name}: its name must be at most {MAX_NAME} printable characters without slashes")
    if not 1 <= len(spec.connectors) <= MAX_CONNECTORS:
        raise SpecError(f"{name}: it must have 1 to {MAX_CONNECTORS} connectors")
    if spec.key_hash and not keys.is_hash(spec.key_hash):
        raise SpecError(f"{name}: its key_hash must be what `hash_key` makes of a key")
    if spec.security_profile in (1, 2) and not spec.key_hash:
        raise SpecError(f"{name}: security profile {spec.security_profile} needs a key")


def to_json(spec: ChargerSpec) -> str:
    """As its row has it."""
    return json.dumps(asdict(spec), separators=(",", ":"))


def from_json(text: str) -> ChargerSpec:
    """From its row. Raises ValueError, TypeError."""
    found = json.loads(text)
    connectors = tuple(ConnectorSpec(**each) for each in found.pop("connectors"))
    return ChargerSpec(connectors=connectors, **found)


# ---------------------------------------------------------------------- the file of chargers


class _Connector(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phases: Literal[1, 2, 3] = 3
    rating_a: float = Field(32, ge=6, le=1000)


class _Charger(BaseModel):
    """One entry; a key stands there as `key`, or as the `key_hash` that `hash_key` has made of it."""

    model_config = ConfigDict(extra="forbid")

    substation: str
    charger: str
    connectors: Annotated[list[_Connector], Field(min_length=1, max_length=MAX_CONNECTORS)] = [_Connector()]
    security_profile: Literal[0, 1, 2, 3] = 1
    key: str = ""
    key_hash: str = ""
    certificate_subject: Annotated[str, StringConstraints(max_length=200)] = ""
    quirks: Annotated[str, StringConstraints(max_length=64)] = ""


_FILE = TypeAdapter(list[_Charger])


class Entry(NamedTuple):
    """An entry of the file; `digest` tells whether it has changed since it was last taken."""

    charger: ChargerId
    spec: ChargerSpec
    digest: str


def read_file(content: bytes) -> list[Entry]:
    """A file of chargers (docs/chargers.md). Raises SpecError that names the first entry which is wrong."""
    try:
        found = list(_entries(_FILE.validate_json(content)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SpecError(f"the file of chargers: {where + ': ' if where else ''}{first['msg']}") from None
    seen: set[ChargerId] = set()
    for charger, _, _ in found:
        if charger in seen:
            raise SpecError(f"the file of chargers has {charger.charger!r} of {charger.substation!r} twice")
        seen.add(charger)
    return found


def _entries(found: list[_Charger]) -> Iterator[Entry]:
    for each in found:
        if each.key and each.key_hash:
            raise SpecError(f"the file of chargers: {each.charger!r} must have a key or a key_hash, not both")
        try:
            key_hash = keys.hash_key(each.key) if each.key else each.key_hash
        except keys.WeakKeyError as error:
            raise SpecError(f"the file of chargers: {each.charger!r}: {error}") from None
        charger = ChargerId(each.substation, each.charger)
        spec = ChargerSpec(
            connectors=tuple(ConnectorSpec(one.phases, one.rating_a) for one in each.connectors),
            security_profile=each.security_profile,
            key_hash=key_hash,
            certificate_subject=each.certificate_subject,
            quirks=each.quirks,
        )
        check(charger, spec)
        yield Entry(charger, spec, hashlib.blake2b(each.model_dump_json().encode(), digest_size=16).hexdigest())
