"""Reads what the comments of a values.yaml say of each value. Pure."""

from __future__ import annotations

import re

KEY = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w./-]*):(?= |$)")
COMMENT = re.compile(r"^ *# ?(?P<text>.*)$")


def comments(values_yaml: str) -> dict[str, str]:
    """Each key's dotted path, and the comment directly above it (empty: it has none)."""
    found: dict[str, str] = {}
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in values_yaml.splitlines():
        if comment := COMMENT.match(line):
            above.append(comment["text"])
            continue
        if key := KEY.match(line):
            indent = len(key["indent"])
            path = [part for part in path if part[0] < indent] + [(indent, key["key"])]
            found[".".join(name for _, name in path)] = " ".join(above)
        above = []
    return found
