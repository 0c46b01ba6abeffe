"""A stand-in for the official Prometheus image, from Debian's package of the same version."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cluster.local import images
from cluster.local.layout import PYTHON_IMAGE
from cluster.paths import IMAGES
from cluster.shell import say

TAG = "quay.io/prometheus/prometheus:v2.53.3"
DOCKERFILE = f"""\
FROM {PYTHON_IMAGE}
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus && rm -rf /var/lib/apt/lists/*
USER 65534
ENTRYPOINT ["/usr/bin/prometheus"]
"""


def provide() -> str:
    """Build it once, load it into the cluster, and return its name."""
    if not images.exists(TAG):
        say("building the stand-in for the official Prometheus image")
        with tempfile.TemporaryDirectory(dir=IMAGES) as folder:
            dockerfile = Path(folder) / "Dockerfile"
            dockerfile.write_text(DOCKERFILE)
            images.build(Path(folder), dockerfile, TAG)
    images.load(TAG)
    return TAG
