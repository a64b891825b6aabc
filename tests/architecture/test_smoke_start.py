"""The smoke start tells a server that starts and stops in order from one that does not."""

import sys
from pathlib import Path

import pytest

from tools import smoke_start

SERVER = """#!{python}
import http.server, os, signal, sys

class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response({status} if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, *arguments):
        print("asked for", self.path)

signal.signal(signal.SIGTERM, {on_term})
{before}
http.server.HTTPServer(("127.0.0.1", int(os.environ["AGON_PORT"])), Health).serve_forever()
"""

ENDINGS = {
    "in order": (200, "lambda *_: sys.exit(0)", "", 0, "stopped after"),
    "killed by the signal": (200, "signal.SIG_DFL", "", 1, "SIGTERM ended it with exit code -15"),
    "deaf": (200, "signal.SIG_IGN", "", 1, "it did not stop within 1 s of SIGTERM"),
    "never ready": (
        503,
        "lambda *_: sys.exit(0)",
        "",
        1,
        "it was not ready within 1 s; the last answer was: HTTP Error 503",
    ),
    "gone before it was ready": (200, "signal.SIG_DFL", "sys.exit('no database')", 1, "no database"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_a_start_and_its_ending(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, on_term, before, expected, words = ENDINGS[name]
    monkeypatch.setattr(smoke_start, "READY_WITHIN_SECONDS", 1 if status == 503 else 20)
    monkeypatch.setattr(smoke_start, "STOPPED_WITHIN_SECONDS", 1)
    program = tmp_path / "venv/bin/agon"
    program.parent.mkdir(parents=True)
    program.write_text(SERVER.format(python=sys.executable, status=status, on_term=on_term, before=before))
    program.chmod(0o755)

    assert smoke_start.serve(tmp_path) == expected

    assert words in "".join(capfd.readouterr())
