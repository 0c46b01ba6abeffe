"""A charger's registration: what may stand in one, its row in the registry, the file that an operator keeps. Pure.

A registration comes in by three ways: the API, the file, and another edge. Whichever it is, `check` has the last word,
so that no way lets in what another would refuse. The file is taken whole or not at all: the first entry that is wrong
is named, and what was registered before stays.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, NamedTuple

from pydantic import StringConstraints, TypeAdapter, ValidationError

from smartgrid.edge.ports import ChargerId, ChargerSpec, ConnectorSpec
from smartgrid.edge.registry import keys
from smartgrid.protocol.chargers import MAX_CONNECTORS, MAX_NAME, ChargerSpecBody, ConnectorSpecBody, is_charger
from smartgrid.protocol.models import MEMBER_NAME


class SpecError(ValueError):
    """A registration that cannot be; the message is one sentence."""


def check(charger: ChargerId, spec: ChargerSpec) -> None:
    """Raises SpecError."""
    name = f"charger {charger.charger!r} of {charger.substation!r}"
    if not MEMBER_NAME.fullmatch(charger.substation):
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


class _Charger(ChargerSpecBody):
    """One entry; a key stands there as `key`, or as the `key_hash` that `hash_key` has made of it."""

    substation: str
    charger: str
    key_hash: Annotated[str, StringConstraints(max_length=200)] = ""


_FILE = TypeAdapter(list[_Charger])


def connectors(found: list[ConnectorSpecBody]) -> tuple[ConnectorSpec, ...]:
    """As a specification has them."""
    return tuple(ConnectorSpec(each.phases, each.rating_a) for each in found)


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
            key_hash = each.key_hash if each.key is None else keys.hash_key(each.key)
        except keys.WeakKeyError as error:
            raise SpecError(f"the file of chargers: {each.charger!r}: {error}") from None
        charger = ChargerId(each.substation, each.charger)
        spec = ChargerSpec(
            connectors=connectors(each.connectors),
            security_profile=each.security_profile,
            key_hash=key_hash,
            certificate_subject=each.certificate_subject,
            quirks=each.quirks,
        )
        check(charger, spec)
        yield Entry(charger, spec, hashlib.blake2b(each.model_dump_json().encode(), digest_size=16).hexdigest())
