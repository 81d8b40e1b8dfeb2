"""What every verb understands: which warehouse, which output, how much to say. Before or after the verb."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

OUTPUTS = ("table", "json", "csv")


@dataclass(slots=True)
class Settings:
    """The common options of one run.

    Attributes:
        given: the warehouse as given, or None.
        output: how results are printed.
        verbose: whether to log requests and show traces.
    """

    given: Path | None = None
    output: str = "table"
    verbose: bool = False
    _console: list[Console] = field(default_factory=list)

    @property
    def warehouse(self) -> Path:
        """The warehouse's folder: --warehouse, else CRANTDB_WAREHOUSE, else the folder we stand in if it is one, else data."""
        if self.given is not None:
            return self.given
        from_env = os.environ.get("CRANTDB_WAREHOUSE")
        if from_env:
            return Path(from_env)
        return Path() if Path("crantdb.toml").is_file() else Path("data")

    @property
    def console(self) -> Console:
        """The console for all that is not a result: standard error."""
        if not self._console:
            from rich.console import Console

            self._console.append(Console(stderr=True, highlight=False, soft_wrap=True))
        return self._console[0]

    def say(self, text: str) -> None:
        """Print a line that is not a result."""
        self.console.print(text, markup=False)

    def start_logging(self) -> None:
        """Show warnings of crantdb (tries that failed); with -v everything it logs."""
        logger = logging.getLogger("crantdb")
        logger.setLevel(logging.DEBUG if self.verbose else logging.WARNING)
        logger.handlers = [_ConsoleHandler(self)]


class _ConsoleHandler(logging.Handler):
    """Logs to the console, above a progress bar if there is one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        self._settings.say(f"crantdb: {record.getMessage()}")


def common_options(outputs: Sequence[str] = OUTPUTS) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that adds --warehouse, --output and -v to a verb."""

    def remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(ctx: click.Context, _: click.Parameter, value: Any) -> None:  # noqa: ANN401
            if value is not None and value is not False:
                setattr(ctx.ensure_object(Settings), name, value)

        return callback

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        options = [
            click.option(
                "--warehouse",
                type=click.Path(path_type=Path),
                expose_value=False,
                callback=remember("given"),
                help="The warehouse's folder (default: $CRANTDB_WAREHOUSE, else data).",
            ),
            click.option(
                "--output",
                type=click.Choice(outputs),
                expose_value=False,
                callback=remember("output"),
                help="How results are printed (default: table).",
            ),
            click.option(
                "-v",
                "--verbose",
                is_flag=True,
                expose_value=False,
                callback=remember("verbose"),
                help="Log requests, and show traces of failures.",
            ),
        ]
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def verb(name: str, *, outputs: Sequence[str] = OUTPUTS) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a function a verb: the common options, and the settings as first argument."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        from functools import wraps

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:  # noqa: ANN401
            settings = click.get_current_context().ensure_object(Settings)
            settings.start_logging()
            function(settings, *args, **kwargs)

        settled = {"help_option_names": ["-h", "--help"]}
        return click.command(name, context_settings=settled)(common_options(outputs)(run))

    return decorate
