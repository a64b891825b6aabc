"""The examples in the pages about the small platform parts run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "platform"
PAGES = ("secrets", "rate-limits", "cache", "breakers", "mail")


@pytest.mark.parametrize("page", PAGES)
def test_the_example_of_the_page_runs(page: str):
    (source,) = re.findall(r"```python\n(.*?)```", (FOLDER / f"{page}.md").read_text(encoding="utf-8"), re.DOTALL)
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
