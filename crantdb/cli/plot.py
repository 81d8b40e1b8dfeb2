"""The verb plot: pictures. Each kind of picture is a module that loads when it is asked for."""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Mapping

PICTURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "matrix": ("plot_matrix", "Draw who talks to whom, neurons in blocks of their type."),
        "skeleton": ("plot_skeleton", "Draw skeletons of neurons with their synapses."),
    }
)
"""Each picture: the module it lives in, and what it shows."""


class _Pictures(click.Group):
    """A group whose pictures load when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the pictures."""
        return list(PICTURES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a picture."""
        if cmd_name not in PICTURES:
            return None
        module, _ = PICTURES[cmd_name]
        command = getattr(importlib.import_module(f"crantdb.cli.{module}"), f"{cmd_name}_verb")
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the pictures without loading them."""
        with formatter.section("Pictures"):
            formatter.write_dl([(name, text) for name, (_, text) in PICTURES.items()])


@click.group("plot", cls=_Pictures, context_settings={"help_option_names": ["-h", "--help"]})
def plot_verb() -> None:
    """Draw pictures of a snapshot into files: crantdb plot matrix --type EPG/PEG -o ring.png."""
