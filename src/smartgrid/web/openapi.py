"""An OpenAPI document made from the routes and models themselves, and a page for people to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, TypeVar

from flask import Flask, Response, jsonify, redirect, send_from_directory
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from swagger_ui_bundle import swagger_ui_path
from werkzeug.routing import Rule

from smartgrid.protocol.models import Problem
from smartgrid.web import access
from smartgrid.web.parameters import Parameter
from smartgrid.web.problems import MEDIA_TYPE

ViewT = TypeVar("ViewT", bound=Callable[..., Any])
Model = type[BaseModel]
_TOKEN = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_PATH_PART = Parameter("", {"type": "string"})
_WHO_PROBLEMS = (401, 403)
_SERVER_PROBLEMS = (400, 408, 414, 421, 431, 503)
"""What the server answers by itself, before any view: no proper request, too slow, too long, for another host, or too
many at once."""
_REF = "#/components/schemas/{model}"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script type="module" src="/docs/begin.js"></script>
</body>
</html>"""
_BEGIN = """// This Swagger UI knows OpenAPI up to 3.0 by name, and shows what else a document of 3.1 has all the same.
const document31 = await (await fetch("/openapi.json")).json();
SwaggerUIBundle({
  spec: {...document31, openapi: "3.0.3"}, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null,
});
"""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def operation(
    summary: str,
    *,
    body: Model | None = None,
    answers: Mapping[int, Model | str | None],
    problems: tuple[int, ...] = (),
    query: Mapping[str, Parameter] | None = None,
    headers: Mapping[str, Parameter] | None = None,
    needs: tuple[str, ...],
) -> Callable[[ViewT], ViewT]:
    """Say what a view takes and answers, and the scopes of which its caller needs one (`web.access`).

    An answer is a model, a media type where it is no JSON, or None where it has no body. `query` and `headers` are its
    parameters by name.
    """

    def mark(view: ViewT) -> ViewT:
        access.needs(*needs)(view)
        view._operation = {  # type: ignore[attr-defined]
            "summary": summary,
            "body": body,
            "answers": answers,
            "problems": problems,
            "query": query or {},
            "headers": headers or {},
            "needs": needs,
        }
        return view

    return mark


def install(app: Flask, title: str) -> None:
    """Serve `GET /openapi.json` and `GET /docs`; all assets come from the package, none from the network."""

    @app.get("/openapi.json")
    @access.needs()
    def openapi() -> Response:
        return jsonify(document(app, title))

    @app.get("/docs")
    @access.needs()
    def docs() -> Response:
        return Response(_PAGE.format(title=title), headers=_HEADERS, content_type="text/html; charset=utf-8")

    @app.get("/docs/begin.js")
    @access.needs()
    def docs_begin() -> Response:
        return Response(_BEGIN, headers=_HEADERS, content_type="text/javascript; charset=utf-8")

    @app.get("/docs/<path:asset>")
    @access.needs()
    def docs_asset(asset: str) -> Response:
        return send_from_directory(swagger_ui_path, asset, max_age=86400)

    if not any(rule.rule == "/" for rule in app.url_map.iter_rules()):
        app.add_url_rule("/", "index", access.needs()(lambda: redirect("/docs")))


def document(app: Flask, title: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all views marked with `operation`."""
    marked = [(rule, spec) for rule in app.url_map.iter_rules() if (spec := _spec(app, rule))]
    models = {m for _, spec in marked for m in [spec["body"], *spec["answers"].values()] if isinstance(m, type)}
    models.add(Problem)
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(m, "validation") for m in ordered], ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for rule, spec in sorted(marked, key=lambda item: item[0].rule):
        path = paths.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            path[method.lower()] = _operation(rule, spec)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version("smartgrid"), "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas.get("$defs", {}), "securitySchemes": {"token": _TOKEN}},
    }


def _spec(app: Flask, rule: Rule) -> dict[str, Any] | None:
    return getattr(app.view_functions[rule.endpoint], "_operation", None)


def _operation(rule: Rule, spec: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [_parameter("path", name, _PATH_PART, required=True) for name in sorted(rule.arguments)]
    parameters += [_parameter("query", name, each) for name, each in spec["query"].items()]
    parameters += [_parameter("header", name, each) for name, each in spec["headers"].items()]
    found = {
        "operationId": rule.endpoint,
        "summary": spec["summary"],
        "parameters": parameters,
        "responses": _responses(spec),
    }
    if spec["needs"]:  # none of it is asked where the grid runs for itself (docs/security.md)
        found["security"] = [{}, *({"token": [scope]} for scope in spec["needs"])]
    if spec["body"] is not None:
        found["requestBody"] = {"required": True, "content": _content("application/json", spec["body"])}
    return found


def _responses(spec: Mapping[str, Any]) -> dict[str, Any]:
    answers = {str(status): {"description": "Success", **_answer(answer)} for status, answer in spec["answers"].items()}
    problems = {
        str(status): {"description": "Problem", "content": _content(MEDIA_TYPE, Problem)}
        for status in sorted({*spec["problems"], *_SERVER_PROBLEMS, *(_WHO_PROBLEMS if spec["needs"] else ())})
    }
    return answers | problems


def _answer(answer: Model | str | None) -> dict[str, Any]:
    if answer is None:
        return {}
    return {"content": {answer: {}} if isinstance(answer, str) else _content("application/json", answer)}


def _parameter(where: str, name: str, told: Parameter, *, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": where, "required": required, "description": told.meaning, "schema": told.schema}


def _content(media_type: str, model: Model) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": _REF.format(model=model.__name__)}}}
