"""Settings of the gateway service."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, ValidationInfo, field_validator

from smartgrid.http_server import client_address, rate
from smartgrid.runtime.settings import CallingSettings

OFF = "off"


class GatewaySettings(CallingSettings):
    """`SMARTGRID_BALANCER_URL` and so on."""

    balancer_url: str = Field("http://127.0.0.1:8081", description="Where the balancer is.")
    balancer_timeout_s: float = Field(
        2.5, ge=0.1, le=60, allow_inf_nan=False, description="Longest wait for the balancer's answer."
    )
    edge_url: str = Field("", description="Where the edge is, which knows the chargers. Empty: there is none.")
    edge_timeout_s: float = Field(
        2.5,
        ge=0.1,
        le=60,
        allow_inf_nan=False,
        description="Longest wait for the edge's answer, but to a command; 2 s more where it may ask the other edges.",
    )

    rate_limit: str = Field(
        "",
        description="How often one caller may ask each gateway: `20/s burst 40`, by s, m or h, or `off`. By default "
        "that where tokens are asked for, else off.",
    )
    trusted_proxies: str = Field(
        "", description="Networks of proxies whose X-Forwarded-For says who asks, separated by commas."
    )

    @field_validator("rate_limit")
    @classmethod
    def _rate(cls, value: str) -> str:
        if value not in ("", OFF):
            rate.parse(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        client_address.networks(value)
        return value

    @field_validator("balancer_url", "edge_url")
    @classmethod
    def _http_url(cls, value: str, info: ValidationInfo) -> str:
        parts = urlsplit(value)
        if (value or info.field_name != "edge_url") and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("must be a URL such as http://127.0.0.1:8081")
        return value.rstrip("/")
