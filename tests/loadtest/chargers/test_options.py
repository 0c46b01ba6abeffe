"""Options that belong to one scenario are refused with another, in one sentence."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from smartgrid.cli import main


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--chargers", "5"), "--chargers: only for --scenario chargers."),
        (("--scenario", "chargers", "--requests", "5"), "--requests: not for --scenario chargers."),
        (("--scenario", "chargers", "--edge", "http://x"), "is not a URL like ws://127.0.0.1:9000."),
        (("--scenario", "chargers", "--html", "x.html"), "--html: there is no page for --scenario chargers."),
        (("--scenario", "chargers", "--target", "http://127.0.0.1:1"), "No service answers as --target"),
    ],
)
def test_what_does_not_go_together_is_refused(options: tuple[str, ...], sentence: str) -> None:
    result = CliRunner().invoke(main, ["loadtest", *options])

    assert result.exit_code == 2
    assert sentence in result.stderr
