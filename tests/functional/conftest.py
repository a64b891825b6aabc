"""One running Agon for each test process, its database, and people who use it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest
import pytest_asyncio

from tests.functional.people import People
from tests.functional.stored import Stored
from tests.program import Program

METRICS_TOKEN = "a token that only the monitoring knows"
ISSUER = "https://agon.test"
SHARED = {"AGON_ACCOUNTS_ISSUER": ISSUER, "AGON_HTTP_METRICS_TOKEN": METRICS_TOKEN}
"""Settings that all processes on one data directory have in common."""


STARTED_WITHIN = 120
"""Seconds; nothing here is about how fast it starts, and the machine may be busy."""


@asynccontextmanager
async def running(program: Program) -> AsyncGenerator[Program, None]:
    """Keeps a program running for a block."""
    try:
        yield await program.start(within=STARTED_WITHIN)
    finally:
        await program.__aexit__(None, None, None)


@pytest_asyncio.fixture(scope="session")
async def program(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Program, None]:
    """The whole program, with quick settings."""
    async with running(Program(tmp_path_factory.mktemp("agon"), settings=SHARED)) as whole:
        yield whole


@pytest_asyncio.fixture(scope="session")
async def http(program: Program) -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient(base_url=program.url, timeout=30) as client:
        yield client


@pytest_asyncio.fixture(scope="session")
async def stored(program: Program) -> AsyncGenerator[Stored, None]:
    async with Stored(program.data_dir) as connected:
        yield connected


@pytest_asyncio.fixture(scope="session")
async def people(program: Program, http: httpx.AsyncClient) -> People:
    return People(program, http)


@pytest_asyncio.fixture(scope="session")
async def second_node(program: Program) -> AsyncGenerator[Program, None]:
    """Another process that serves the API of the same data."""
    async with running(Program(program.data_dir, "api", settings=SHARED)) as node:
        yield node
