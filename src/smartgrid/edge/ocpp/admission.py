"""Whether a charger that connects is let in. Pure.

OCPP's security profiles: 1 is a key (HTTP Basic, the user name is the charger's), 2 the same over TLS, 3 a client
certificate whose common name is the charger's, and 0 asks nothing. A charger has the profile of its registration and
never less: one of profile 2 that comes without TLS is not let in, even with its key, since that key is now known to
whoever listens. TLS may have ended at a proxy that is trusted and says so.
"""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from smartgrid.edge.ports import ChargerId, ChargerSpec
from smartgrid.edge.registry.keys import is_key

MAX_HEADER = 1024
WRONG_KEY = "wrong_key"


class Proof(NamedTuple):
    """What somebody who connects has shown. `certificate_name` is of a certificate that was verified."""

    address: str
    is_encrypted: bool = False
    authorization: str | None = None
    certificate_name: str | None = None


class Refusal(NamedTuple):
    """Not let in: an HTTP status, a word for the metric, a sentence for whoever reads the answer."""

    status: int
    reason: str
    text: str


class Admitted(NamedTuple):
    """Let in; by a key that it has been given and had not used before, if `by_next_key`."""

    by_next_key: bool = False


UNKNOWN = Refusal(404, "unknown", "No such charger is registered at such a substation.")
_PLAIN = Refusal(403, "plain", "This charger is registered to come over TLS (wss).")
_CERTIFICATE = Refusal(403, "certificate", "A client certificate with the charger's name as common name is needed.")
_NO_KEY = Refusal(401, "no_key", "HTTP Basic with the charger's name and key is needed.")
_WRONG_KEY = Refusal(401, WRONG_KEY, "This is not the charger's key.")


def decide(charger: ChargerId, spec: ChargerSpec, next_key_hash: str, proof: Proof) -> Admitted | Refusal:
    """By its registration, and the hash of a key that it has been given beside the one it had ("" for none)."""
    if spec.security_profile >= 2 and not proof.is_encrypted:
        return _PLAIN
    if spec.security_profile == 3:
        wanted = spec.certificate_subject or charger.charger
        return Admitted() if proof.certificate_name == wanted else _CERTIFICATE
    if not spec.key_hash and spec.security_profile == 0:
        return Admitted()
    key = _key(charger.charger, proof.authorization)
    if key is None:
        return _NO_KEY
    if is_key(key, spec.key_hash):
        return Admitted()
    return Admitted(by_next_key=True) if is_key(key, next_key_hash) else _WRONG_KEY


def _key(user: str, authorization: str | None) -> bytes | None:
    """The bytes after the user name, which must be the charger's; they need not be text, and may contain colons."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > MAX_HEADER:
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    begin = f"{user}:".encode()
    return decoded[len(begin) :] if decoded.startswith(begin) else None
