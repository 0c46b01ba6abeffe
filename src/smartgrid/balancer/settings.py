"""Settings of the balancer service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from smartgrid.balancer import targets
from smartgrid.domain.routing import DEFAULT_POLICY, POLICIES
from smartgrid.protocol.models import MemberName
from smartgrid.runtime.quotas import QUOTAS_DESCRIPTION, QuotasText
from smartgrid.runtime.settings import CallingSettings


class BalancerSettings(CallingSettings):
    """`SMARTGRID_SUBSTATIONS` and so on."""

    port: int = Field(8081, ge=1, le=65535, description="TCP port to listen on.")
    name: MemberName = Field("balancer", description="Its name, where it stands behind another balancer.")
    substations: str = Field("", description="Fixed substations: `url` or `name=url`, separated by commas.")
    regions: str = Field(
        "",
        description="Which members are regions, with labels and priorities (docs/regions.md): a JSON list, or the path "
        "of a file with one.",
    )
    residency_label: str = Field(
        "", max_length=63, description="Which label of regions says where the cars of a tenant may be charged."
    )
    service_hosts: str = Field(
        "",
        description="Host names, separated by commas, under which only services are served: those of an Ingress for "
        "the balancer in front of this one (docs/regions.md).",
    )
    allowed_targets: str = Field(
        "localhost,127.0.0.0/8,::1",
        description="Hosts, *.suffixes and networks that POST /substations may name, separated by commas; or none.",
    )
    policy: str = Field(DEFAULT_POLICY, description="Which substation a car is sent to (docs/routing.md).")
    poll_interval_s: float = Field(
        5, ge=0.05, le=300, allow_inf_nan=False, description="Time between polls of a substation that does not push."
    )
    attempt_timeout_s: float = Field(
        0.8, ge=0.05, le=30, allow_inf_nan=False, description="Longest wait for one substation's answer to one car."
    )
    request_timeout_s: float = Field(
        1.7, ge=0.1, le=60, allow_inf_nan=False, description="Longest time spent on finding a place for one car."
    )
    away_life_h: float = Field(
        24,
        ge=0,
        le=24 * 30,
        allow_inf_nan=False,
        description="How long a substation that has left the fleet is remembered, with its sessions and keys.",
    )
    quotas: QuotasText = Field("", description=QUOTAS_DESCRIPTION)
    discovery: Literal["static", "kubernetes"] = Field(
        "static", description="Whether substations are also found through the Kubernetes API."
    )
    kubernetes_namespace: str = Field("", description="Namespace of the substations; by default the pod's own.")
    kubernetes_service: str = Field(
        "substation",
        description="The substations' headless Service, after which their StatefulSet and its autoscaler are named.",
    )
    kubernetes_port: str = Field("http", description="Name of the Service's port.")

    edge_url: str = Field("", description="Where the edge is, whose chargers the console shows. Empty: there is none.")
    console_url: str = Field(
        "", max_length=512, description="The console's own address, such as https://grid.example.com."
    )
    console_issuer: str = Field(
        "", description="With which of the issuers people sign in to the console (docs/console.md)."
    )
    console_client_id: str = Field("", max_length=500, description="The console's name there.")
    console_client_secret_file: Path | None = Field(
        None, description="A file with its secret there, if it has one; it proves itself with PKCE in any case."
    )
    console_scope: str = Field("openid", pattern="^openid( [!-~]+)*$", description="What it asks for there.")
    console_key_file: Path | None = Field(
        None,
        description="A file with 32 random bytes or more, the same for all balancers, that seals who has signed in. "
        "When not set: drawn at each start.",
    )
    console_session_h: float = Field(
        8, gt=0, le=24 * 7, allow_inf_nan=False, description="After how many hours one has to sign in again."
    )

    @field_validator("console_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/")):
            raise PydanticCustomError("origin", "Input should be an address such as https://grid.example.com")
        return value.rstrip("/")

    @field_validator("edge_url")
    @classmethod
    def _edge(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise PydanticCustomError("edge", "Input should be a URL such as http://127.0.0.1:8079")
        return value.rstrip("/")

    @field_validator("policy")
    @classmethod
    def _policy(cls, value: str) -> str:
        if value not in POLICIES:
            raise PydanticCustomError("policy", "Input should be one of {policies}", {"policies": ", ".join(POLICIES)})
        return value

    @field_validator("allowed_targets")
    @classmethod
    def _targets(cls, value: str) -> str:
        targets.parse(value)
        return value
