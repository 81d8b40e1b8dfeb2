"""What a library prints and raises that knows nothing of ours: kept from the output, and said in a line."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import threading
from typing import TextIO


class _OwnThread(io.TextIOBase):
    """Passes on what one thread prints, and drops what others do."""

    def __init__(self, through: TextIO) -> None:
        self._through = through
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        """Pass a text on, or drop it."""
        return self._through.write(text) if threading.get_ident() == self._thread else len(text)

    def flush(self) -> None:
        """Pass it on."""
        self._through.flush()


def quiet() -> contextlib.redirect_stdout[_OwnThread]:
    """Return a context in which no other thread prints to standard output, where results go."""
    return contextlib.redirect_stdout(_OwnThread(sys.stdout))


def said_of(error: BaseException, secret: str | None) -> str:
    """Return what a foreign error says in a line: without colours, without the secret, its middle cut out."""
    if type(error).__name__ == "EmptyVolumeException":
        return "it has no file there, or gives it to nobody without credentials of its own"
    text = re.sub(r"\x1b\[[0-9;]*m", "", f"{type(error).__name__}: {error}")
    text = " ".join(text.split())
    if secret:
        text = text.replace(secret, "[token]")
    return text if len(text) <= 300 else f"{text[:150]} … {text[-150:]}"
