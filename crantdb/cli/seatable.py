"""What the verbs of setting up and syncing know of SeaTable: how it is opened, what is said of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from crantdb.config import SeaTableSettings, check_server
from crantdb.errors import ConfigError, MissingToken
from crantdb.tokens import seatable_token

if TYPE_CHECKING:
    from crantdb.config import Config
    from crantdb.sync.run import SyncReport
    from crantdb.sync.seatable.part import SeaTable
    from crantdb.warehouse.state import Snapshot

SHOWN_FINDINGS = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of SeaTable on the command line.

    Attributes:
        tables: tables by name; None for those of crantdb.toml.
        max_requests: gateway requests at the most; None for what crantdb.toml says.
        accept_shrink: whether rows and tables may vanish.
        stop: ends a reading when set.
    """

    tables: tuple[str, ...] | None = None
    max_requests: int | None = None
    accept_shrink: bool = False
    stop: Event = field(default_factory=Event)


def open_seatable(config: Config, asked: Asked) -> SeaTable:
    """Return where annotations come from, as crantdb.toml says; nothing is asked yet.

    Raises:
        ConfigError: when crantdb.toml has no section `[seatable]`.
        MissingToken: when there is no token.
    """
    from crantdb.sources.seatable.server import Limits, SeaTableServer, TokenKind
    from crantdb.sync.seatable.part import SeaTable

    settings = settings_of(config)
    settings = replace(
        settings,
        tables=asked.tables or settings.tables,
        max_requests=asked.max_requests or settings.max_requests,
    )
    found = seatable_token()
    if found is None:
        msg = (
            f"{settings.server} asks for a token, and none is set. Put your account's into CRANTTABLE_TOKEN, or a "
            f"base's own (read-only is enough) into SEATABLE_API_TOKEN"
        )
        raise MissingToken(msg)
    token, opens = found
    limits = Limits(
        requests_per_s=settings.requests_per_s,
        max_requests=settings.max_requests,
        timeout_s=settings.timeout_s,
        tries=settings.tries,
    )
    server = SeaTableServer(settings.server, token, kind=TokenKind(opens), limits=limits, stop=asked.stop)
    return SeaTable(server, settings, accept_shrink=asked.accept_shrink)


def settings_of(config: Config) -> SeaTableSettings:
    """Return the section `[seatable]`.

    Raises:
        ConfigError: when there is none.
    """
    if config.seatable is None:
        msg = (
            "crantdb.toml has no section [seatable]: it says which server, workspace, bases and tables to mirror. "
            "`crantdb init --seatable` writes one; see docs/seatable.md"
        )
        raise ConfigError(msg)
    return config.seatable


def settings_from_address(address: str) -> SeaTableSettings:
    """Return the settings for a base's address as a browser shows it, all its tables.

    Args:
        address: e.g. ``https://cloud.seatable.io/workspace/62919/dtable/CRANTb/``.

    Raises:
        ConfigError: when it is none.
    """
    parts = urlsplit(address.strip())
    path = [unquote(part) for part in parts.path.split("/") if part]
    at = path.index("workspace") if "workspace" in path else len(path)
    found = path[at : at + 4]
    if len(found) < 4 or found[2] != "dtable" or not found[1].isdigit():
        msg = (
            f"{address!r} is not the address of a SeaTable base: it reads https://server/workspace/62919/dtable/Base/ "
            f"in a browser"
        )
        raise ConfigError(msg)
    server = check_server(f"{parts.scheme}://{parts.netloc}" + "".join(f"/{part}" for part in path[:at]))
    return SeaTableSettings(server, int(found[1]), (found[3],))


def said_of_bases(report: SyncReport) -> list[str]:
    """Return what to say of each base after a sync."""
    lines: list[str] = []
    for base in report.bases:
        if not base.read:
            lines.append(f"SeaTable {base.base}: unchanged since version {base.version} (1 request)")
            continue
        told = ", ".join(f"{count:,} x {kind}" for kind, count in sorted(base.changes.items())) or "none"
        lines.append(
            f"SeaTable {base.base}: {sum(base.rows.values()):,} rows of {len(base.rows)} tables, "
            f"{base.consistency}; {len(base.changed)} changed; changes in the history: {told} "
            f"({base.requests:,} requests)"
        )
        lines += [f"finding: {finding}" for finding in base.findings[:SHOWN_FINDINGS]]
        if len(base.findings) > SHOWN_FINDINGS:
            lines.append(
                f"… and {len(base.findings) - SHOWN_FINDINGS:,} findings more: crantdb tables --output json"
            )
    return lines


def status_of_bases(snapshot: Snapshot) -> dict[str, str]:
    """Return a line for each mirrored base: version, tables, rows, when and how it was read."""
    bases: dict[str, str] = {}
    for base in sorted({table.base for table in snapshot.shared.values() if table.base is not None}):
        tables = [table for table in snapshot.shared.values() if table.base == base]
        read = max(table.fetched_at for table in tables)
        classes = ", ".join(sorted({table.completeness for table in tables}))
        rows = sum(table.rows for table in tables)
        bases[base] = f"{len(tables)} tables, {rows:,} rows, read {read:%Y-%m-%d %H:%M} UTC, {classes}"
    return bases


def check_bases(config: Config) -> str:
    """Open every base and say what it is: for `doctor`.

    Raises:
        CrantdbError: for what is wrong.
    """
    source = open_seatable(config, Asked())
    said = []
    for name in source.settings.bases:
        base = source.server.open_base(source.settings.workspace, name)
        info = base.metadata()
        may = {"r": "read-only", "rw": "may write, which a mirror never does"}.get(
            base.permission, "permission not told"
        )
        said.append(f"{name}: version {info.version}, {len(info.tables)} tables, token {may}")
    return f"{source.settings.server}; " + "; ".join(said)
