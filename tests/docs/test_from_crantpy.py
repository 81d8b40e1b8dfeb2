"""The page for those who come from crantpy leaves no function, parameter or reason out: against crantpy's own page."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

import crantdb
from tests.docs.test_pages import ROOT as CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = (CHECKOUT / "docs/from-crantpy.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:1] == "|"
]
CLASSES = ("NestedMatrix", "DirectedNestedMatrix", "NeuropilCollection")


@pytest.fixture(scope="module")
def theirs(shared: Path) -> str:
    """Return crantpy's page of its functions."""
    [page] = (shared / "peers").glob("002_*.txt")
    return page.read_text("utf-8", errors="replace")


def functions(page: str) -> dict[str, set[str]]:
    """Return the functions of crantpy's page, by name, and their parameters."""
    return {
        name: parameters(inside)
        for name, inside in re.findall(r"crantpy\.([a-z_0-9]+)\((.*)\)\[source\]", page)
    }


def methods(page: str) -> dict[tuple[str, str], set[str]]:
    """Return the methods of crantpy's matrices, by class and name, and their parameters."""
    found: dict[tuple[str, str], set[str]] = {}
    for part in re.split(r"- (?:class|exception) crantpy\.", page):
        name = part.partition("(")[0].partition("[")[0]
        if name in CLASSES:
            for method, inside in re.findall(r"- (?:classmethod )?([a-z_]+)\((.*)\)\[source\]", part):
                found[name, method] = parameters(inside)
    return found


def parameters(inside: str) -> set[str]:
    """Return the names of parameters in a signature."""
    whole = re.sub(r"=\([^)]*\)|=\[[^]]*\]", "", inside)
    return {part.split("=")[0].strip().lstrip("*") for part in whole.split(",")} - {""}


def unsaid(names: set[str], ours: Callable[..., object]) -> set[str]:
    """Return the parameters that ours does not take and the page does not speak of."""
    taken = inspect.signature(ours).parameters
    passed_on = any(one.kind is one.VAR_KEYWORD for one in taken.values())
    return set() if passed_on else {name for name in names - set(taken) if f"`{name}" not in PAGE}


def test_every_row_has_a_reason() -> None:
    """A difference is listed with why: no row of a table is short of a cell, or has an empty one behind the first."""
    assert len(ROWS) > 60
    short = [row for row in ROWS if len(row) not in {3, 4} or not all(row[1:])]
    assert short == []


def test_every_function_of_both_is_spoken_of(theirs: str) -> None:
    """A function that crantpy has too stands on the page, and so does each parameter of its that ours does not take."""
    both = {name: names for name, names in functions(theirs).items() if name in crantdb.__all__}
    assert {"get_synapses", "get_adjacency", "get_connectivity", "get_synapse_counts"} <= set(both)
    assert [name for name in both if f"`{name}`" not in PAGE] == []
    left_out = {name: unsaid(names, getattr(crantdb, name)) for name, names in both.items()}
    assert {name: names for name, names in left_out.items() if names} == {}


def test_every_method_of_the_matrices_is_there(theirs: str) -> None:
    """Each method that crantpy's matrices have, ours have, with its parameters; what is passed on is tested elsewhere."""
    found = methods(theirs)
    assert {name for name, _ in found} == set(CLASSES)
    assert len(found) > 8
    for (name, method), names in found.items():
        assert unsaid(names, getattr(getattr(crantdb, name), method)) == set(), (name, method)
