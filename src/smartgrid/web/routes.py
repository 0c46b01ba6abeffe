"""Views that say themselves at which URL they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask

ViewT = TypeVar("ViewT", bound=Callable[..., Any])


def route(method: str, rule: str) -> Callable[[ViewT], ViewT]:
    """Mark a method of a class of views; `add_routes` makes it known to the application."""

    def mark(view: ViewT) -> ViewT:
        view._route = method, rule  # type: ignore[attr-defined]
        return view

    return mark


def add_routes(app: Flask, views: object) -> None:
    """Add every method of `views` that has a route, under its own name."""
    for name in dir(type(views)):
        marked = getattr(getattr(type(views), name), "_route", None)
        if marked is not None:
            method, rule = marked
            app.add_url_rule(rule, name, getattr(views, name), methods=[method])
