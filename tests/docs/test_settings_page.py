"""docs/settings.md is what the settings classes say."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "scripts" / "settings_doc.py"


def test_the_page_of_settings_is_up_to_date():
    done = subprocess.run([sys.executable, str(SCRIPT), "--check"], check=False, timeout=60)

    assert done.returncode == 0, "run scripts/settings_doc.py"
