"""Where the charts are, and what they are called."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = ("substation", "balancer", "gateway", "edge", "loadtest")
LONG_RUNNING = ("substation", "balancer", "gateway", "edge")
AUTOSCALED = ("substation", "balancer", "gateway")

FOLDERS = {"": ROOT} | {service: ROOT / "charts" / service for service in SERVICES}
"""The folder of each chart, by the name under which the root chart has its values; the root chart's is empty."""
