"""A server on loopback that answers as told, byte by byte: for what no proper server would do."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer.

    Attributes:
        body: what is sent.
        status: status and reason.
        headers: further headers.
        length: the Content-Length to declare; the body's own by default.
        then: ``keep`` the connection, ``close`` it, ``reset`` it, or ``stall``: send nothing at all and wait.
    """

    body: bytes = b"{}"
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    then: str = "close"

    def bytes(self) -> bytes:
        """Return head and body."""
        length = len(self.body) if self.length is None else self.length
        kind = (
            ()
            if any(name == "Content-Type" for name, _ in self.headers)
            else (("Content-Type", "application/json"),)
        )
        lines = [
            f"{name}: {value}" for name, value in (*kind, *self.headers, ("Content-Length", str(length)))
        ]
        return (
            "\r\n".join([f"HTTP/1.1 {self.status}", *lines, "Connection: close", "", ""]).encode() + self.body
        )


RESET = Reply(then="reset")
STALL = Reply(then="stall")


@dataclass(slots=True)
class Loopback:
    """Answers the first request with the first reply, and so on; the last reply goes on for ever."""

    replies: list[Reply]
    seen: list[str] = field(default_factory=list)
    _listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked and (more := connection.recv(65536)):
                asked += more
            if not asked:
                return
            self.seen.append(asked.decode("latin-1"))
            reply = self.replies[min(len(self.seen), len(self.replies)) - 1]
            if reply.then == "stall":
                self._over.wait(30)
                return
            if reply.then == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.sendall(reply.bytes())
