"""What holds for every test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from benchmarks.servers.postgres import PostgresServer
    from benchmarks.servers.s3 import S3Server

# A busy machine is slow, and slowness is no fault of what is tested.
settings.register_profile("pagemill", deadline=None)
settings.load_profile("pagemill")

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole run, with a migrated database to copy."""
    from benchmarks.servers.postgres import PostgresServer  # most files need none of this
    from storage.database import migrate, open_database

    with PostgresServer() as server:
        server.execute("CREATE DATABASE migrated")
        engine = open_database(server.url("migrated"))
        migrate(engine)
        engine.dispose()
        yield server


@pytest.fixture
def postgresql_url(postgres: PostgresServer) -> Iterator[str]:
    """A migrated, empty PostgreSQL database of the test's own."""
    name = f"test{next(_NUMBERS)}"
    postgres.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield postgres.url(name)
    postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """An S3 server for the whole run that takes every key."""
    from benchmarks.servers.s3 import MotoServer

    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[S3Server]:
    """A real S3 store for the whole run."""
    from benchmarks.servers.s3 import SeaweedServer

    with SeaweedServer() as server:
        yield server
