"""The README's commands do what it says, typed in by a newcomer."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.program import Program

README = (Path(__file__).parents[2] / "README.md").read_text()
ADDRESS = "http://127.0.0.1:8000"


def block(name: str, url: str) -> str:
    """The code block that follows a mark such as `<!-- run: login -->`, for the address of this test."""
    found = re.search(rf"<!-- run: {name} -->\n```\w+\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no block {name}"
    return found.group(1).replace(ADDRESS, url)


@pytest.mark.slow
async def test_a_newcomer_follows_the_readme(tmp_path: Path):
    async with Program(tmp_path) as program:
        script = "\n".join(
            [
                block("register", program.url),
                "echo",
                block("login", program.url),
                "echo",
                block("validate", program.url),
            ]
        )
        steps = subprocess.run(
            ["sh", "-ec", f"{script}\nprintf '\\n%s' \"$TOKEN\""],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        registered, _, *rest = steps.stdout.splitlines()
        assert json.loads(registered)["refresh_token"]
        token = rest[-1]
        assert '"email":"ada@example.org"' in steps.stdout
        if shutil.which("node") is None:
            pytest.skip("no Node.js to verify the token with")
        verify = tmp_path / "verify.mjs"
        verify.write_text(block("verify", program.url))
        for given, expected in ((token, "ada@example.org"), (f"{token[:-8]}AAAAAAAA", "not a valid token")):
            answer = subprocess.run(["node", verify, given], capture_output=True, text=True, timeout=30, check=True)
            assert expected in answer.stdout
        doctor = await program.command("doctor")
        assert doctor.returncode == 0, doctor.stdout + doctor.stderr
        assert "broken" not in doctor.stdout
