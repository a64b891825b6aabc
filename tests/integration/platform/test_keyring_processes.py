"""Several processes that start at the same moment share one keyring."""

import asyncio
import sys
from pathlib import Path

STARTER = """
import sys, time
from pathlib import Path
from agon.platform.crypto import Keyring
print("ready", flush=True)
sys.stdin.readline()
keyring = Keyring.load_or_create(Path(sys.argv[1]))
print(keyring.current, keyring.keys[keyring.current].hex())
"""


async def test_processes_that_start_at_once_make_one_keyring(tmp_path: Path):
    path = tmp_path / "keyring.json"
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", STARTER, str(path), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(5)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
    seen = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    assert all(process.returncode == 0 for process in processes)
    assert len({output for output, _ in seen}) == 1, seen
