"""Settings of the gateway service."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from smartgrid.runtime.settings import CallingSettings


class GatewaySettings(CallingSettings):
    """`SMARTGRID_BALANCER_URL` and so on."""

    balancer_url: str = Field("http://127.0.0.1:8081", description="Where the balancer is.")
    balancer_timeout_s: float = Field(
        2.5, ge=0.1, le=60, allow_inf_nan=False, description="Longest wait for the balancer's answer."
    )

    @field_validator("balancer_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be a URL such as http://127.0.0.1:8081")
        return value.rstrip("/")
