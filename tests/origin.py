"""A folder goes in, an HTTP/1.1 range server on 127.0.0.1 comes out that counts and misbehaves on demand.

The server is the binary `origin` of the crate in tests/origin, built by cargo in the dev profile (`make pytest` does
it); its documentation says what behaviours and faults there are.
"""

from __future__ import annotations

import json
import os
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BUILD = "cargo build -p bestpixel-origin --bin origin"

Fault = dict[str, Any]
"""`kind`, and perhaps `rate`, `prefix`, `first`, `burst`, `retry_after`."""


def binary() -> Path:
    """Where cargo has put the server.

    Raises:
        FileNotFoundError: it has not been built.
    """
    path = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "origin"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: {BUILD}, with the CARGO_TARGET_DIR of the tests")
    return path


class Origin:
    """A running server; close it in the end."""

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        """Start serving a folder, faultlessly; by another `program` than the one that cargo makes for tests."""
        self._process = subprocess.Popen(  # noqa: S603
            [program or binary(), folder, "--until-eof"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self._process.stdout is None:
            raise RuntimeError("the server has no standard output")
        told = json.loads(self._process.stdout.readline())
        self._port = int(told["port"])
        self._url = str(told["url"])

    def close(self) -> None:
        """End it: its standard input ends."""
        self._process.communicate(timeout=10)

    def url(self, path: str) -> str:
        """The URL of a file, by its path below the folder."""
        return self._url + path.removeprefix("./")

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def behave(self, *faults: Fault, **behaviour: int) -> None:
        """Behave otherwise from now on (`delay_ms`, `shuffle_ms`, `bytes_per_s`, `seed`), and forget all counts."""
        self._control("PUT", "behaviour", json.dumps({"faults": faults, **behaviour}))
        self._control("DELETE", "stats")

    def stats(self) -> dict[str, Any]:
        """What has happened since the last `behave`: `requests`, `bytes`, `connections`, `faults`, `log`."""
        told: dict[str, Any] = json.loads(self._control("GET", "stats"))
        return told

    def _control(self, method: str, what: str, body: str | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request(method, f"/_origin/{what}", body)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise ValueError(f"{method} {what}: {response.status} {text.decode()}")
        return text
