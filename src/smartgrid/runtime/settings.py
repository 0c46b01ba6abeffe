"""The settings that every service has, from `SMARTGRID_*` environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

ENV_PREFIX = "SMARTGRID_"


class ServiceSettings(BaseSettings):
    """Common to all services; each service adds its own."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, env_ignore_empty=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=1, le=65535, description="TCP port to listen on.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_hash_key: str = Field(
        "", description="Key of the hash under which vehicles appear in logs. Random at each start when empty."
    )
    probe_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port of its own for /health, /ready and /metrics; /metrics is then not on the other.",
    )
    allowed_hosts: str = Field(
        "",
        description="Hosts that requests may be for, separated by commas. Empty: any; on loopback this machine only.",
    )
    threads: int = Field(
        64,
        ge=2,
        le=512,
        description="Handled at once: half of it charges, half of it long polls, an eighth each stops and reads.",
    )
    tls_cert_file: Path | None = Field(
        None, description="Certificate with its chain, PEM: https on the port. Read anew when the files change."
    )
    tls_key_file: Path | None = Field(None, description="The certificate's key, PEM, without a password.")
    shutdown_delay_s: float = Field(
        0,
        ge=0,
        le=300,
        description="Wait after turning unready, so that clients have stopped sending, before draining.",
    )
    drain_timeout_s: float = Field(10, gt=0, le=300, description="Longest wait for requests under way at shutdown.")
    auth: Literal["on", "off"] = Field(
        "on",
        description="`off` asks nothing of anyone, also at an address that others reach. At one that only this machine "
        "reaches (127.0.0.1) nothing is asked either unless there are issuers.",
    )
    auth_issuers: str = Field(
        "",
        description="Whose tokens are believed: a JSON list, or the path of a file with one (docs/security.md).",
    )
    auth_anonymous: str = Field(
        "", description="Scopes of whoever comes without a token, separated by spaces; none by default."
    )
    audit_log: str = Field(
        "-",
        min_length=1,
        description="Where it is written who changed what (docs/audit.md): a file, or `-` for standard error.",
    )
    data_dir: Path = Field(Path(".smartgrid"), description="Folder for what must survive a restart.")


class CallingSettings(ServiceSettings):
    """Of those services that call others."""

    service_token_file: Path | None = Field(
        None, description="A file with the token that this service sends to others; read anew each minute."
    )
    targets: str = Field(
        "",
        description="Addresses with a token or authorities of their own: a JSON list of url, token_file and ca, "
        "or the path of a file with one.",
    )


SettingsT = TypeVar("SettingsT", bound=ServiceSettings)


class SettingsError(Exception):
    """A setting with a bad value; the message is one sentence for the person who set it."""


def load(settings_type: type[SettingsT]) -> SettingsT:
    """The settings from the environment.

    Raises SettingsError naming each variable that is wrong, and what would be right.
    """
    try:
        return settings_type()
    except ValidationError as error:
        raise SettingsError("; ".join(_sentence(dict(item)) for item in error.errors())) from None


def _sentence(item: dict[str, object]) -> str:
    location = item["loc"]
    name = str(location[0]) if isinstance(location, tuple) and location else ""
    return f"{ENV_PREFIX}{name.upper()}={item['input']!r}: {item['msg']}"
