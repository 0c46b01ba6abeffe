"""Certificates for tests, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A key and a certificate for localhost and 127.0.0.1, signed by itself."""

    cert: Path
    key: Path


def make(folder: Path, name: str = "localhost", *, password: str | None = None) -> Certificate:
    """A new one, whose common name is `name`."""
    found = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    secret = ("-passout", f"pass:{password}") if password else ("-nodes",)
    names = ("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-days", "2")
    command = ["openssl", "req", "-x509", *kind, *secret, *names, "-keyout", found.key, "-out", found.cert]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return found


def signed(by: Certificate, folder: Path, name: str, subject: str, *, days: int = 2) -> Certificate:
    """One for `subject` ("/O=Operator/CN=CP-1") that `by` has signed, in files of that name. Of 0 days it is over."""
    found, request = Certificate(folder / f"{name}.crt", folder / f"{name}.key"), folder / f"{name}.csr"
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-subj", subject)
    make_request = ["openssl", "req", *kind, "-keyout", found.key, "-out", request]
    sign = ["openssl", "x509", "-req", "-in", request, "-CA", by.cert, "-CAkey", by.key, "-days", str(days)]
    for command in (make_request, [*sign, "-out", found.cert]):
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return found


def replace(old: Certificate, new: Certificate) -> None:
    """Put the new one in the place of the old, one file after the other, as a careless rotation does."""
    for there, made in ((old.cert, new.cert), (old.key, new.key)):
        partial = there.with_suffix(".new")
        partial.write_bytes(made.read_bytes())
        partial.replace(there)
