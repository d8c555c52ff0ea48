"""A server on loopback that begins an answer and then sends a byte now and then, without end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

DRIPS = {
    "its headers": (b"HTTP/1.1 200 OK\r\nX-Long: ", b"x"),
    "its body": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
    "its chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


@contextmanager
def trickling(begin: bytes, drip: bytes) -> Iterator[str]:
    """Yield the address of such a server; it ends with the block."""
    over = Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(begin)
            while not over.wait(0.02):
                client.sendall(drip)

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                Thread(target=answer, args=(client,), daemon=True).start()

    Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
