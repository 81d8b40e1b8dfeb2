"""HTTP/1.1 on a loopback socket, down to the resets and half bodies that faults ask for.

The standard library's threading server, not werkzeug's: that one closes every connection after one
response, and a client that reuses connections is what is to be tested. Head and body leave in one send, so
that no delayed acknowledgement holds the body back.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import os
import socket
import socketserver
import struct
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import unquote

from crantdb.errors import ConfigError
from crantdb.sandbox.exchange import Request, Response, broken_header_page

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger(__name__)
_DRIPS = 16
_EVERYWHERE = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "WWW-Authenticate, column_names"),
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A response and how it is delivered.

    Attributes:
        response: what to send.
        sent: the share of the bytes to send before breaking off; None sends all.
        reset: whether breaking off resets the connection instead of closing it.
        wait_s: seconds to wait before the first byte.
        drip_s: seconds over which the bytes are spread.
    """

    response: Response
    sent: float | None = None
    reset: bool = False
    wait_s: float = 0.0
    drip_s: float = 0.0


class Listener(socketserver.TCPServer):
    """A server with one thread a connection, which can be stopped while clients hold connections open."""

    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, port: int, serve: Callable[[Request], Delivery], *, clock_offset_s: float) -> None:
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            msg = f"port {port} cannot be had ({error}): choose another, or 0 for a free one"
            raise ConfigError(msg) from error
        self.serve = serve
        self.clock_offset_s = clock_offset_s
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._accepting = threading.Thread(target=self._accept, name="sandbox", daemon=True)

    @property
    def port(self) -> int:
        """The port that was bound."""
        return int(self.socket.getsockname()[1])

    def start(self) -> None:
        """Begin to accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Close every connection and wait until the last handler is done; a second time does nothing."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        if self._accepting.is_alive():
            self.shutdown()
            self._accepting.join()
        with self._lock:
            still = dict(self._open)
        for connection in still:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in still.values():
            thread.join()
        self.server_close()

    def process_request(self, request: socket.socket, client_address: object) -> None:  # type: ignore[override]
        """Handle a connection in a thread of its own."""
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._handle, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what went wrong in a handler; a client that hung up is no error."""
        del request, client_address
        _LOG.debug("a connection broke off", exc_info=True)

    def _accept(self) -> None:
        """Accept connections until told to stop."""
        self.serve_forever(poll_interval=0.02)

    def _handle(self, request: socket.socket, client_address: object) -> None:
        """Handle a connection to its end."""
        try:
            self.finish_request(request, client_address)
        except OSError:
            self.handle_error(request, client_address)
        finally:
            with self._lock:
                self._open.pop(request, None)
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Listener

    def handle_one_request(self) -> None:
        """Read one request and answer it."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline:
            self.close_connection = True
        elif self.parse_request():
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            port = self.client_address[1]
            request = Request(self.command, unquote(path), query, headers, body, client_port=port)
            self._deliver(self.server.serve(request))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Keep the console quiet: the request log holds what was asked."""

    def _deliver(self, delivery: Delivery) -> None:
        """Send a response, or as much of it as is to be sent."""
        if delivery.wait_s and self.server.stopping.wait(delivery.wait_s):
            self.close_connection = True
            return
        head, body = self._parts(delivery.response)
        if delivery.drip_s:
            self._drip(head + body, delivery.drip_s)
            return
        if delivery.sent is None:
            self.connection.sendall(head + body)
            return
        self.close_connection = True
        nothing = delivery.reset and delivery.sent == 0
        self.connection.sendall(b"" if nothing else head + body[: int(len(body) * delivery.sent)])
        if delivery.reset:
            # Lingering for zero seconds turns the close into a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def _drip(self, sent: bytes, seconds: float) -> None:
        """Send bytes in pieces, spread over some seconds."""
        size = -(-len(sent) // _DRIPS)
        for start in range(0, len(sent), size):
            self.connection.sendall(sent[start : start + size])
            if self.server.stopping.wait(seconds / _DRIPS):
                self.close_connection = True
                return

    def _parts(self, response: Response) -> tuple[bytes, bytes]:
        """Return head and body as sent."""
        try:
            return self._head(response).encode("latin-1"), response.body
        except UnicodeEncodeError:
            # The real server cannot put such a notice into a header either: its WSGI server gives up.
            self.close_connection = True
            page = broken_header_page()
            return self._head(page).encode("latin-1"), page.body

    def _head(self, response: Response) -> str:
        """Return status line and headers."""
        phrases = {status.value: status.phrase for status in HTTPStatus}
        phrase = phrases.get(response.status, "Unknown")
        date = email.utils.formatdate(time.time() + self.server.clock_offset_s, usegmt=True)
        dated = () if any(name == "Date" for name, _ in response.headers) else (("Date", date),)
        length = ("Content-Length", str(len(response.body)))
        headers = (("Server", "sandbox"), *dated, *response.headers, length, *_EVERYWHERE)
        lines = [
            f"HTTP/1.1 {response.status} {phrase}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        return "\r\n".join(lines) + "\r\n\r\n"
