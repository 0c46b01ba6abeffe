"""The token that requests carry."""

import os
from pathlib import Path

from smartgrid.auth.bearer import BearerFile, headers_of
from smartgrid.auth.credentials import Headers

TOKEN_VARIABLE = "SMARTGRID_TOKEN"


class NoTokenError(ValueError):
    """There should be a token, and is none; the message is one sentence for the user."""


def credential_of(token_file: Path | None) -> Headers:
    """What each request carries: a file's token, read anew each minute, or the environment's, or nothing.

    Raises NoTokenError.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        if token_file is not None:
            headers_of(token_file.read_text("ascii").strip())  # so that it is said now what is wrong with it
            return BearerFile(token_file).headers
        found = headers_of(token) if token else {}
    except OSError as problem:
        raise NoTokenError(f"--token-file {token_file} cannot be read: {problem.strerror or problem}.") from None
    except ValueError as problem:
        where = f"--token-file {token_file}" if token_file is not None else TOKEN_VARIABLE
        raise NoTokenError(f"{where} has no token: {problem}.") from None
    return lambda: found
