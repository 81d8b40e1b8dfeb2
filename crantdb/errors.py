"""Every exception of crantdb. A message says what happened, with which values, and what to do next.

The family tree, sorted by what the caller can do::

    CrantdbError
    ├── ConfigError                 a setting is wrong or missing: mend it
    │   └── MissingToken
    ├── SourceError                 a remote service (url, status)
    │   ├── AuthError               the token is refused: fatal
    │   │   └── TermsNotAccepted
    │   ├── TransientError          tried again, within bounds
    │   │   ├── RateLimited
    │   │   ├── ServiceUnavailable
    │   │   └── ReferenceNotLoaded
    │   ├── NotServed               the server has no such datastack, version or table   (a LookupError too)
    │   │   └── VersionUnavailable  the version exists but is not one to mirror
    │   ├── Unreadable              one table cannot be read (private, broken): the others can
    │   ├── TooOld                  the server is older than the contract we know
    │   ├── QuotaExhausted          the allowance of requests is used up: not before the date it names
    │   ├── BadResponse             an answer that is not what the contract says
    │   └── IncompleteError         the source did not give everything it said it has
    ├── BadFile                     a file to import is missing, cut short, or not what it should be
    ├── ValidationError             rows that break a promise (table, constraint, count, examples)
    ├── WarehouseError              the local store
    │   ├── NotAWarehouse
    │   ├── WarehouseTooNew
    │   ├── WarehouseBusy
    │   ├── NoSuchSnapshot          (a LookupError too)
    │   ├── CommitConflict
    │   ├── TimeMismatch            tables of two moments would meet in one snapshot
    │   ├── StagingMismatch
    │   ├── CorruptWarehouse
    │   └── StorageError            the disk refused (full, read-only)
    ├── Interrupted                 asked to stop; what was staged is kept
    ├── NoSuchTable                 (a LookupError too)
    ├── NoMatches                   no neuron is like that                               (a LookupError too)
    ├── QueryRefused                a statement that does not only read
    ├── NoSkeleton                  a neuron cannot be made into a skeleton, or a skeleton into a file
    ├── BadSwc                      text that is not the SWC of one neuron   (a ValueError too)
    ├── BadArgument                 a function was asked for something it cannot do   (a ValueError too)
    └── NotAnId                     (a ValueError too)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path


class CrantdbError(Exception):
    """Any failure that crantdb states in words."""


class ConfigError(CrantdbError):
    """A setting is wrong or missing."""


class MissingToken(ConfigError):
    """No token was found for a server that asks for one."""


class SourceError(CrantdbError):
    """A remote service did not give what was asked.

    Attributes:
        url: the address asked, without query string.
        status: the HTTP status, or None when there was no answer.
    """

    def __init__(self, message: str, *, url: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.url = url
        self.status = status


class AuthError(SourceError):
    """The token is refused, or lacks a permission."""


class TermsNotAccepted(AuthError):
    """The terms of service must be accepted in a browser first."""


class TransientError(SourceError):
    """A failure that a later try may not see."""


class RateLimited(TransientError):
    """The server asks for fewer requests.

    Attributes:
        retry_after_s: the seconds the server asked for, or None.
    """

    def __init__(
        self, message: str, *, url: str = "", status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.retry_after_s = retry_after_s


class ServiceUnavailable(TransientError):
    """The server is down, unreachable, cut the answer short or did not answer in time."""


class ReferenceNotLoaded(TransientError):
    """One of the server's workers has not met the table that this one refers to (ask for that one first)."""


class Interrupted(CrantdbError):
    """Somebody asked to stop; what was staged is kept."""


class NotServed(SourceError, LookupError):
    """The server has no such datastack, version, table or view."""


class VersionUnavailable(NotServed):
    """The materialization version exists but is expired, failed, running or gone."""


class Unreadable(SourceError):
    """One table cannot be read with this token or at all; others can."""


class TooOld(SourceError):
    """The server is older than the contract this client knows."""


class QuotaExhausted(SourceError):
    """The allowance of requests is used up: the server's for the month, or the one that was given.

    Attributes:
        reset: when the server allows requests again, UTC; None when the bound is our own.
    """

    def __init__(
        self, message: str, *, url: str = "", status: int | None = None, reset: datetime | None = None
    ) -> None:
        super().__init__(message, url=url, status=status)
        self.reset = reset


class BadResponse(SourceError):
    """An answer that is not what the contract says."""


class IncompleteError(SourceError):
    """A source did not give everything it said it has.

    Attributes:
        expected: rows the source said it has.
        got: rows it gave.
    """

    def __init__(self, message: str, *, expected: int, got: int, url: str = "") -> None:
        super().__init__(message, url=url)
        self.expected = expected
        self.got = got


class BadFile(CrantdbError):
    """A file to import is missing, cut short, or not what it should be.

    Attributes:
        path: the file or folder.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(f"{message}. Nothing was committed")
        self.path = path


class ValidationError(CrantdbError):
    """Rows break a promise of their table.

    Attributes:
        table: the table's name.
        constraint: the promise, in words.
        count: how many rows break it.
        examples: up to five of them.
    """

    def __init__(self, table: str, constraint: str, count: int, examples: Sequence[object] = ()) -> None:
        shown = ", ".join(str(example) for example in examples[:5])
        message = f"table {table}: {count} row(s) break '{constraint}'" + (f", e.g. {shown}" if shown else "")
        super().__init__(f"{message}. Nothing was committed.")
        self.table = table
        self.constraint = constraint
        self.count = count
        self.examples = tuple(examples[:5])


class WarehouseError(CrantdbError):
    """The local store cannot do what was asked."""


class NotAWarehouse(WarehouseError):
    """The folder is no warehouse."""


class WarehouseTooNew(WarehouseError):
    """The warehouse was written by a newer crantdb than this one."""


class WarehouseBusy(WarehouseError):
    """Another process is writing to the warehouse."""


class NoSuchSnapshot(WarehouseError, LookupError):
    """The warehouse has no such snapshot or version."""


class CommitConflict(WarehouseError):
    """Another commit took the number first; the warehouse is as that commit left it."""


class TimeMismatch(WarehouseError):
    """Tables of two moments would meet in one snapshot."""


class StagingMismatch(WarehouseError):
    """A staging area holds pieces of something else."""


class CorruptWarehouse(WarehouseError):
    """A file of the warehouse is not what its manifest says.

    Attributes:
        path: the file.
    """

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class StorageError(WarehouseError):
    """The disk refused: full, read-only, or out of quota."""


class NoSuchTable(CrantdbError, LookupError):
    """The snapshot has no such table, view or macro."""


class NoMatches(CrantdbError, LookupError):
    """No neuron, version or time matches what was asked for."""


class QueryRefused(CrantdbError):
    """A statement that does more than read."""


class NoSkeleton(CrantdbError):
    """A neuron cannot be made into a skeleton, or a skeleton into what was asked of it."""


class BadSwc(CrantdbError, ValueError):
    """Text that is not the SWC of one neuron."""


class NotAnId(CrantdbError, ValueError):
    """Text or a number that is not an id: a float, a bool, a negative number, or beyond int64."""


class BadArgument(CrantdbError, ValueError):
    """A function was given a value, a frame or a combination that it cannot work with."""
