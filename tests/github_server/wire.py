"""The wire: HTTP/1.1 on a free loopback port, and answers that break off on purpose."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from tests.github_server.faults import What
from tests.github_server.rest import Answer


class Responder(Protocol):
    """Whoever decides what is answered."""

    def reply(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[Answer, What | None]:
        """Return the answer, and the fault that befalls it on the wire."""


class LoopbackServer:
    """A threaded HTTP server on 127.0.0.1 that leaves nothing behind when stopped."""

    def __init__(self, responder: Responder) -> None:
        self._patience = threading.Event()
        handler = type("Handler", (_Handler,), {"responder": responder, "patience": self._patience})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def hang_up(self) -> None:
        """Hang up on all clients that were left waiting, and on those that will be."""
        self._patience.set()

    def stop(self) -> None:
        """Break off what is under way and free the port."""
        self.hang_up()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Clients keep connections open; nobody waits for them at the end.
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hung up, which the tests make them do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    responder: Responder
    patience: threading.Event

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the server keeps its own log."""

    def _answer(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self._read_body(headers)
        answer, fault = self.responder.reply(self.command, self.path, headers, body)
        if fault is What.TIMEOUT:
            self.patience.wait(60)
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if fault in (What.RESET, What.TRUNCATED):
            self._break_off(answer.body, reset=fault is What.RESET)
        else:
            self.wfile.write(answer.body)

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _break_off(self, body: bytes, *, reset: bool) -> None:
        self.wfile.write(body[: len(body) // 2])
        self.wfile.flush()
        if reset:
            # Closing with a linger of zero sends RST instead of a proper end.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
