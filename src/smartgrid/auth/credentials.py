"""How a service proves itself to those that it calls, and how they prove themselves to it.

By default each call carries the service's own token (`SMARTGRID_SERVICE_TOKEN_FILE`), and TLS trusts the authorities
that the machine trusts. `SMARTGRID_TARGETS` says it differently for some addresses, such as the balancers of regions,
each with a token for its own audience: a JSON list, or the path of a file with one.

    [{"url": "https://west.example.com", "token_file": "/etc/west/token", "ca": "/etc/west/ca.crt"}]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from smartgrid.auth.bearer import BearerFile
from smartgrid.http_client.client import DEFAULT_PORTS, HttpClient
from smartgrid.runtime import json_setting
from smartgrid.runtime.settings import CallingSettings

MAX_TARGETS = 1000
Headers = Callable[[], Mapping[str, str]]


class Target(BaseModel):
    """An address that wants another token, or trusts another authority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(max_length=512)
    token_file: Path | None = None
    ca: Path | None = None

    @field_validator("url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        if urlsplit(value).scheme not in DEFAULT_PORTS or not urlsplit(value).hostname:
            raise ValueError("must be a URL such as https://west.example.com")
        return value


_TARGETS = TypeAdapter(Annotated[list[Target], Field(max_length=MAX_TARGETS)])


@dataclass(frozen=True, slots=True)
class Credential:
    """For one address: what is sent with each request, and by whose certificates the other side is trusted."""

    headers: Headers = dict
    ca_file: Path | None = None


class Credentials:
    """For every address."""

    def __init__(self, settings: CallingSettings) -> None:
        """Raises StartError for targets that cannot be read."""
        own = settings.service_token_file
        self._default = Credential(BearerFile(own).headers) if own else Credential()
        targets = json_setting.load("SMARTGRID_TARGETS", settings.targets, _TARGETS) if settings.targets else []
        self._by_origin = {_origin(target.url): self._of(target) for target in targets}

    def of(self, url: str) -> Credential:
        """What belongs to the host and port of a URL."""
        return self._by_origin.get(_origin(url), self._default)

    def client(self, url: str, host: str = "") -> HttpClient:
        """A client that proves itself. Raises ValueError for what is no http or https URL."""
        found = self.of(url)
        return HttpClient(url, host=host, ca_file=found.ca_file, extra_headers=found.headers, tells_deadline=True)

    def _of(self, target: Target) -> Credential:
        headers = BearerFile(target.token_file).headers if target.token_file else self._default.headers
        return Credential(headers, target.ca)


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
