"""Starts the built wheel as an operator would: installed in an environment of its own, far from the repository.

`agon serve` has to become ready with the embedded database, and SIGTERM has to end it with exit code 0.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import venv
from pathlib import Path

READY_WITHIN_SECONDS = 90
STOPPED_WITHIN_SECONDS = 60
"""The shutdown's own budget is 5 s of grace, 20 s of draining and 5 s of closing sockets."""


def main(distribution: Path) -> int:
    """Install, start, ask, stop; returns the exit code."""
    (wheel,) = distribution.glob("*.whl")
    home = Path(tempfile.mkdtemp(prefix="agon-smoke-"))
    try:
        install(wheel, distribution / "requirements.txt", home / "venv")
        return serve(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def install(wheel: Path, requirements: Path, environment: Path) -> None:
    """Put the wheel and the locked dependencies, by hash, into a new environment."""
    venv.create(environment, with_pip=False)
    uv = Path(sys.executable).with_name("uv")
    into = [uv, "pip", "install", "--quiet", "--python", environment / "bin/python"]
    elsewhere = environment.parent  # uv reads a project's settings where it stands
    subprocess.run([*into, "--require-hashes", "--requirement", requirements.resolve()], cwd=elsewhere, check=True)
    subprocess.run([*into, "--no-deps", wheel.resolve()], cwd=elsewhere, check=True)


def serve(home: Path) -> int:
    """Run the installed `agon serve` until it is ready, and stop it."""
    port = free_port()
    work = home / "work"
    work.mkdir()
    surroundings = {"PATH": os.environ["PATH"], "HOME": str(work), "AGON_PORT": str(port)}
    log = home / "agon.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [home / "venv/bin/agon", "serve"],
            cwd=work,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            problem = wait_until_ready(server, port) or stop(server)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
    if problem:
        print(log.read_text(encoding="utf-8", errors="replace")[-8000:], file=sys.stderr)
        print(f"smoke: {problem}", file=sys.stderr)
    return 1 if problem else 0


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(server: subprocess.Popen[bytes], port: int) -> str | None:
    """What went wrong, or None once the server says that it is ready."""
    started = time.monotonic()
    answer = "nothing"
    while time.monotonic() - started < READY_WITHIN_SECONDS:
        if server.poll() is not None:
            return f"it ended with exit code {server.returncode} before it was ready"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as response:
                print(f"smoke: ready after {time.monotonic() - started:.1f} s (HTTP {response.status})")
                return None
        except (urllib.error.URLError, OSError) as error:
            answer = str(error)
            time.sleep(0.1)
    return f"it was not ready within {READY_WITHIN_SECONDS} s; the last answer was: {answer}"


def stop(server: subprocess.Popen[bytes]) -> str | None:
    """What went wrong, or None when SIGTERM ended the server in order."""
    started = time.monotonic()
    server.send_signal(signal.SIGTERM)
    try:
        exit_code = server.wait(STOPPED_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not stop within {STOPPED_WITHIN_SECONDS} s of SIGTERM"
    if exit_code != 0:
        return f"SIGTERM ended it with exit code {exit_code}"
    print(f"smoke: stopped after {time.monotonic() - started:.1f} s")
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
