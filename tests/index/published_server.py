"""A folder of published files on loopback, served well or badly, as it is told to."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from index.files.published import INDEX_NAME, SUMS_NAME


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: bytes = b""
    status: int = 200
    location: str | None = None
    length: int | None = None
    """The length that is told, where it is not that of the body; -1 tells none."""
    stall: bool = False
    """Say nothing more after the body, and do not hang up."""
    endless: bool = False
    """Repeat the body without end."""
    pause: float = 0.0
    """Seconds before each 64 bytes of the body."""
    before: Callable[[], object] | None = None
    """Is called before the answer begins."""


@dataclass
class PublishedServer:
    origin: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    """What each path answers, one after the other; the last one stays."""
    asked: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"{self.origin}/index"

    def say(self, name: str, *answers: Answer) -> None:
        self.answers[f"/index/{name}"] = list(answers)

    def publish(self, index: Path, *more: Path) -> str:
        """Serve these files with their checksums; return that of the index."""
        lines = []
        for name, path in ((INDEX_NAME, index), *((path.name, path) for path in more)):
            content = path.read_bytes()
            self.say(name, Answer(body=content))
            lines.append(f"{hashlib.sha256(content).hexdigest()}  {name}\n")
        self.say(SUMS_NAME, Answer(body="".join(lines).encode()))
        return lines[0][:64]


@contextmanager
def serve_published() -> Iterator[PublishedServer]:
    """Run the server while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path.rpartition("/")[2])
            answers = served.answers.get(self.path.partition("?")[0]) or [Answer(status=404)]
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if answer.before is not None:
                answer.before()
            self.send_response(answer.status)
            if answer.location is not None:
                self.send_header("Location", answer.location)
            length = len(answer.body) if answer.length is None else answer.length
            if length >= 0 and not answer.endless:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self._write(answer)
            self.close_connection = True

        def _write(self, answer: Answer) -> None:
            parts: Iterable[bytes] = [answer.body]
            if answer.pause:
                size = len(answer.body)
                parts = (answer.body[at : at + 64] for at in range(0, size, 64))
            elif answer.endless:
                parts = itertools.repeat(answer.body)
            for part in parts:
                if answer.pause and served.ended.wait(answer.pause):
                    return
                try:
                    self.wfile.write(part)
                except OSError:
                    return
            if answer.stall:
                self.wfile.flush()
                served.ended.wait(30)

        def log_message(self, format: str, *args: object) -> None:
            """Keep the tests quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served = PublishedServer(origin=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        served.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
