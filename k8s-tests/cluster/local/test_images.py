"""What is built here from the repository's Dockerfiles, whose bases are pinned by digest."""

from __future__ import annotations

from cluster.local import images
from cluster.paths import REPOSITORY

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def test_a_pinned_base_is_taken_by_its_tag_as_a_stand_in_has_another_digest() -> None:
    dockerfile = (REPOSITORY / "images/gateway/Dockerfile").read_text()
    base = "FROM docker.io/library/python:3.13-slim"
    tagged = images.without_digests(dockerfile)
    assert images.without_digests(tagged.replace(base, f"{base}@{DIGEST}")) == tagged
    assert f"{base} AS base\n" in tagged
