"""docs/security.md says of every route what it needs, and every route says so itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "security_doc.py"


def test_the_table_of_who_may_call_what_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run scripts/security_doc.py {done.stderr}"
