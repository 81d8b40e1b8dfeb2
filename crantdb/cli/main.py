"""The front door: finds the verb, turns errors into one line and an exit code.

Exit codes: 0 done, 1 a stated failure, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

import click

from crantdb.cli.settings import Settings, common_options
from crantdb.errors import CrantdbError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

VERBS: Mapping[str, tuple[str, str]] = {
    "demo": ("demo", "Serve a generated brain, mirror it and query it, in a fresh folder."),
    "sandbox": ("sandbox", "Serve a generated world (or given tables) as CAVE, until Ctrl-C."),
    "init": ("setup", "Make a folder a warehouse."),
    "doctor": ("setup", "Check servers, tokens, disk and file system."),
    "plan": ("sync", "Say what a sync would fetch."),
    "sync": ("sync", "Bring a materialization version, annotations and L2 data into the warehouse."),
    "import": ("importing", "Make CAVE's dumps or Parquet files a snapshot."),
    "status": ("look", "Say what the warehouse holds and what is unfinished."),
    "snapshots": ("look", "List the snapshots."),
    "tables": ("look", "List the tables of a snapshot."),
    "schema": ("look", "Show the columns of a table or view."),
    "macros": ("look", "List the functions and macros, with what they answer."),
    "ids": ("ids", "Bring ids of any age and sort to the roots of one version."),
    "partners": ("connectivity", "List the partners of neurons."),
    "adjacency": ("connectivity", "Count the synapses between neurons."),
    "synapses": ("connectivity", "List the synapses of neurons."),
    "types": ("connectivity", "List the types of neurons, or which talk to which."),
    "neuron": ("neuron", "Say who a neuron is, on one page."),
    "swc": ("swc", "Write the skeletons of neurons as SWC files."),
    "plot": ("plot", "Draw matrices and other pictures."),
    "regions": ("regions", "Find the neuropils of every synapse, by meshes."),
    "diff": ("diff", "Say what changed from one snapshot, or one version, to another."),
    "cite": ("look", "Say what to cite, so that others can name the same data."),
    "verify": ("keep", "Check every file against its manifest."),
    "rollback": ("keep", "Make an earlier snapshot current again."),
    "expire": ("keep", "Let snapshots go that no rule keeps, and in time their files."),
    "register": ("keep", "Write crantdb.duckdb and crantdb.sql for other programs."),
    "sql": ("query", "Query a snapshot."),
    "shell": ("query", "Open the DuckDB shell on the current snapshot."),
}
"""Each verb: the module it lives in, and what it does. A module is loaded when its verb is used."""


_INTERRUPTED = "interrupted. What was staged is kept: the same command goes on from there"


class _Verbs(click.Group):
    """A group whose verbs load when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs, in the order of a first day with crantdb."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a verb."""
        if cmd_name not in VERBS:
            return None
        module, _ = VERBS[cmd_name]
        command = getattr(importlib.import_module(f"crantdb.cli.{module}"), f"{cmd_name}_verb")
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without loading them."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb; name near ones when there is none."""
        if args and args[0] not in VERBS:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=3)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            ctx.fail(f"there is no verb {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="crantdb", prog_name="crantdb")
@common_options()
def cli() -> None:
    """Mirror a CAVE connectome into a local warehouse, and query it: complete, of one moment, exact, offline.

    Start with `crantdb demo` (needs no token), then `crantdb init` and `crantdb sync`.
    """


def main() -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run the command line with arguments; return its exit code."""
    settings = Settings()
    try:
        code = cli.main(args=args, prog_name="crantdb", obj=settings, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return _say(settings, _INTERRUPTED, 130)
    except BrokenPipeError:
        # Whoever read our output (`| head`) has enough; nothing may be written to it any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except CrantdbError as error:
        return _say(settings, str(error), 1)
    except RuntimeError as error:
        if "Query interrupted" in str(error):  # what DuckDB makes of Ctrl-C in the midst of a query
            return _say(settings, _INTERRUPTED, 130)
        return _say(settings, f"unexpected {type(error).__name__}: {error}", 1, hint=True)
    except Exception as error:  # noqa: BLE001 - the last resort: one line, and the trace with -v
        return _say(settings, f"unexpected {type(error).__name__}: {error}", 1, hint=True)
    return code if isinstance(code, int) else 0


def _say(settings: Settings, text: str, code: int, *, hint: bool = False) -> int:
    """Print the one line of a failure, and its trace when asked for."""
    if settings.verbose:
        traceback.print_exc()
    elif hint:
        text += " (this is a bug of crantdb; -v shows where)"
    click.echo(f"crantdb: {text}", err=True)
    return code


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Treat a request to terminate as Ctrl-C."""
    raise KeyboardInterrupt
