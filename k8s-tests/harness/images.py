"""The images under test."""

from __future__ import annotations

import os

from cluster.backend import Backend
from cluster.lock import exclusive
from cluster.paths import REPOSITORY
from cluster.shell import say

SERVICES = ("substation", "balancer", "gateway", "edge", "loadtest")
TAG = "test"
PYTHON = "docker.io/library/python:3.13-slim"


def build_all(backend: Backend) -> dict[str, object]:
    """Build all of them, make them available to pods, and return the chart's values that name them."""
    with exclusive():
        for service in SERVICES:
            say(f"building the image of {service}")
            backend.build(REPOSITORY, REPOSITORY / f"images/{service}/Dockerfile", name(service))
    tags: dict[str, object] = {f"{service}.image.tag": TAG for service in SERVICES}
    return {"global.imageRegistry": registry(), **tags}


def name(service: str) -> str:
    """Full name of a service's image."""
    return f"{registry()}/smart-grid/{service}:{TAG}"


def registry() -> str:
    """`localhost` is never pulled from: such images are put on the nodes."""
    return os.environ.get("SMARTGRID_TEST_IMAGES") or "localhost"
