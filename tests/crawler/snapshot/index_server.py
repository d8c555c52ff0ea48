"""A package index on loopback that answers as it is told to, and counts."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

HTML = "text/html; charset=utf-8"
JSON = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None
    """Break the connection off after that many bytes of the body."""


@dataclass
class IndexServer:
    url: str
    answers: defaultdict[str, list[Answer]] = field(default_factory=lambda: defaultdict(list))
    """What each path answers, one after the other; the last one stays."""
    requests: Counter[str] = field(default_factory=Counter)
    sent_headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def offer(self, dist: str, files: dict[str, bytes], **changes: dict[str, Any]) -> None:
        """Serve the files, listed in JSON; `changes` are made to the entry of that filename."""
        entries = []
        for filename, content in files.items():
            self.answers[f"/files/{filename}"] = [Answer(body=content)]
            sha256 = hashlib.sha256(content).hexdigest()
            entry = {
                "filename": filename,
                "url": f"../../files/{filename}",
                "hashes": {"sha256": sha256},
                "size": len(content),
                "yanked": False,
            }
            entries.append(entry | changes.get(filename, {}))
        page = json.dumps({"meta": {"api-version": "1.1"}, "name": dist, "files": entries})
        answer = Answer(body=page.encode(), headers=(("Content-Type", JSON),))
        self.answers[f"/simple/{dist}/"] = [answer]

    def page(self, dist: str, text: str, content_type: str = HTML) -> None:
        """Answer this text when asked for the files of a package."""
        answer = Answer(body=text.encode(), headers=(("Content-Type", content_type),))
        self.answers[f"/simple/{dist}/"] = [answer]


@contextmanager
def serve_index() -> Iterator[IndexServer]:
    """Run the server while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests[self.path] += 1
            served.sent_headers[self.path] = dict(self.headers.items())
            answers = served.answers.get(self.path) or [Answer(status=404)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: answer.cut])
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = IndexServer(url=f"http://127.0.0.1:{server.server_port}/simple")
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
