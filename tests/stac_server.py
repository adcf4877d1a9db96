"""A stand-in for services of the network: a STAC API in both dialects, SAS tokens, and blob storage that wants them.

One server on this machine plays all of them. Blob hosts are reached through it as an HTTP proxy: a request whose target
is `http://ACCOUNT.blob.core.windows.net/CONTAINER/...` arrives here in full. Every request is kept in `log`.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

Item = dict[str, Any]
Dialect = Literal["planetary-computer", "element84"]
BLOB_HOST = ".blob.core.windows.net"


@dataclass
class Log:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    body: Any
    status: int = 0


@dataclass
class Standin:
    """What the server serves and how; start it as a context manager."""

    items: list[Item] = field(default_factory=list)
    folder: Path | None = None
    """Files below it are served as `/files/...` and as blobs of any account and container."""
    dialect: Dialect = "planetary-computer"
    page_size: int = 2
    """The server never gives more, whatever it is asked for."""
    token_life_s: float = 2700.0
    delay_s: float = 0.0
    """How long a blob is waited for."""
    refusals: list[tuple[int, str]] = field(default_factory=list)
    """Answers to the next searches before they are served: status and body."""
    revoked: set[str] = field(default_factory=set)
    """Tokens that are refused before their time."""
    log: list[Log] = field(default_factory=list)
    tokens: dict[str, float] = field(default_factory=dict)
    """Every token given, with its expiry in seconds since 1970."""

    def __enter__(self) -> Standin:  # noqa: PYI034  Self is not in Python 3.10
        """Serve on a free port."""
        handler = type("Handler", (_Handler,), {"standin": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def root(self) -> str:
        """Where the server is."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def searches(self) -> list[Log]:
        """The searches so far."""
        return [entry for entry in self.log if entry.target.startswith("/v1/search")]

    @property
    def sas(self) -> list[Log]:
        """The requests for tokens so far."""
        return [entry for entry in self.log if "/sas/" in entry.target]

    @property
    def blobs(self) -> list[Log]:
        """The requests to blob storage so far."""
        return [entry for entry in self.log if BLOB_HOST in entry.target]

    def landing_page(self) -> dict[str, Any]:
        """What the API says of itself: pystac-client asks for it first."""
        core = "https://api.stacspec.org/v1.0.0"
        search = {"rel": "search", "type": "application/geo+json", "method": "POST", "href": f"{self.root}/v1/search"}
        root = {"rel": "root", "type": "application/json", "href": f"{self.root}/v1"}
        conforms_to = [f"{core}/core", f"{core}/item-search", f"{core}/item-search#query"]
        about = {"type": "Catalog", "stac_version": "1.0.0", "id": "standin", "description": "a stand-in"}
        return {**about, "conformsTo": conforms_to, "links": [root, search]}

    def page(self, query: dict[str, Any], start: int) -> dict[str, Any]:
        """One page of a search, and the link to the next as the dialect has it."""
        found = [item for item in self.items if _matches(item, query)]
        size = min(int(query.get("limit", 10)), self.page_size)
        links = []
        if start + size < len(found):
            links.append(self._next(query, start + size, found[start + size - 1]["id"]))
        return {"type": "FeatureCollection", "features": found[start : start + size], "links": links}

    def _next(self, query: dict[str, Any], start: int, last: str) -> dict[str, Any]:
        link = {"rel": "next", "type": "application/geo+json", "method": "POST", "href": f"{self.root}/v1/search"}
        if self.dialect == "planetary-computer":
            return {**link, "body": {**query, "token": f"next:{start}:{last}"}}
        return {**link, "merge": False, "body": {**query, "next": f"{start},{last}"}}

    def token(self, place: str) -> dict[str, str]:
        """A new token of a place (`account/container`)."""
        expiry = dt.datetime.now(dt.timezone.utc) + dt.timedelta(seconds=self.token_life_s)
        token = f"st=x&place={place.replace('/', '-')}&sig=secret{len(self.tokens)}"
        self.tokens[token] = expiry.timestamp()
        return {"token": token, "msft:expiry": expiry.isoformat().replace("+00:00", "Z")}

    def blob_status(self, target: str) -> int:
        """Whether blob storage gives a file: 409 without a signature, 403 with a wrong one, else 206."""
        parts = urlsplit(target)
        if "sig" not in parse_qs(parts.query):
            return 409
        account = (parts.hostname or "").removesuffix(BLOB_HOST)
        place = f"{account}-{parts.path.split('/')[1]}"
        expiry = self.tokens.get(parts.query, 0.0)
        is_good = expiry > dt.datetime.now(dt.timezone.utc).timestamp() and f"place={place}&" in parts.query
        return 206 if is_good and parts.query not in self.revoked else 403


def _matches(item: Item, query: dict[str, Any]) -> bool:
    """Whether an item is in a search's collections, box, interval (overlapping, as pgstac does it) and clouds."""
    west, south, east, north = query.get("bbox", [-180, -90, 180, 90])
    box, properties = item["bbox"], item["properties"]
    near = box[0] <= east and west <= box[2] and box[1] <= north and south <= box[3]
    start, end = (_end(text) for text in query["datetime"].split("/"))
    first = _time(properties.get("start_datetime") or properties["datetime"])
    last = _time(properties.get("end_datetime") or properties["datetime"])
    limit = query.get("query", {}).get("eo:cloud_cover", {}).get("lte")
    clear = limit is None or properties.get("eo:cloud_cover", 1e9) <= limit
    timely = (end is None or first <= end) and (start is None or last >= start)
    return item["collection"] in query["collections"] and near and clear and timely


def _end(text: str) -> dt.datetime | None:
    """One end of an interval, None for an open one."""
    return None if text == ".." else _time(text)


def _time(text: str) -> dt.datetime:
    """An RFC 3339 time; anything else (a bare date) is refused, as by Element84."""
    if "T" not in text:
        raise ValueError(text)
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00"))


class _Handler(BaseHTTPRequestHandler):
    """Hands each request to the stand-in that it belongs to."""

    standin: Standin
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Search."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        entry = self._keep(dict(body))
        if not self.path.startswith("/v1/search"):
            return self._send(entry, 404, {"message": "no such place"})
        if self.standin.refusals:
            status, text = self.standin.refusals.pop(0)
            return self._send(entry, status, text)
        start = str(body.pop("token", body.pop("next", "0"))).removeprefix("next:").replace(":", ",").split(",")[0]
        try:
            page = self.standin.page(body, int(start))
        except (KeyError, ValueError) as error:
            return self._send(entry, 400, {"code": "BadRequest", "description": f"not understood: {error}"})
        return self._send(entry, 200, page)

    def do_GET(self) -> None:
        """Tokens, blobs and files."""
        entry = self._keep(None)
        parts = urlsplit(self.path)
        if parts.path == "/v1":
            return self._send(entry, 200, self.standin.landing_page())
        if "/sas/token/" in parts.path:
            return self._send(entry, 200, self.standin.token(parts.path.split("/sas/token/")[1]))
        if (parts.hostname or "").endswith(BLOB_HOST):
            status = self.standin.blob_status(self.path)
            time.sleep(self.standin.delay_s)
            if status != 206:
                said = {409: "PublicAccessNotPermitted", 403: "AuthenticationFailed"}
                return self._send(entry, status, said[status])
            return self._file(entry, parts.path.split("/", 2)[2])
        if parts.path.startswith("/files/"):
            return self._file(entry, parts.path.removeprefix("/files/"))
        return self._send(entry, 404, "no such place")

    def _keep(self, body: object) -> Log:
        entry = Log(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        self.standin.log.append(entry)
        return entry

    def _file(self, entry: Log, name: str) -> None:
        """A byte range of a file."""
        if self.standin.folder is None or not (path := self.standin.folder / name).is_file():
            return self._send(entry, 404, "no such file")
        data = path.read_bytes()
        first, last = self.headers["Range"].removeprefix("bytes=").split("-")
        part = data[int(first) : int(last) + 1]
        if not part:
            return self._send(entry, 416, "")
        entry.status = 206
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)
        return None

    def _send(self, entry: Log, status: int, content: object) -> None:
        entry.status = status
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
