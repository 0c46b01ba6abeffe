"""Processes of services that tests make by fork are as new as those that import all anew."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import smartgrid
from support import forked

DRAWS = {"secrets", "random", "uuid", "time", "Random", "SystemRandom", "urandom", "uuid4", "getpid"}


def test_what_is_drawn_at_the_import_is_drawn_anew_in_each() -> None:
    forker = forked.FORKER.read_text()
    root = Path(smartgrid.__file__).parent
    drawn = [
        f"{path.stem}.{target.id}"
        for path in root.rglob("*.py")
        for statement in ast.parse(path.read_text()).body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and any(_draws(call) for call in _calls(statement))
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    ]

    assert len(drawn) > 1, "this test finds none"
    assert [name for name in drawn if f"{name} = " not in forker] == []


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """Those that the import itself makes."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            yield child
        if not isinstance(child, ast.Lambda):
            yield from _calls(child)


def _draws(call: ast.Call) -> bool:
    return bool(DRAWS & {each.id for each in ast.walk(call.func) if isinstance(each, ast.Name)})
