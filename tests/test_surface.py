"""The package as a user meets it: its public names, what importing costs, its errors, its floors."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import crantdb
from crantdb import errors

CHECKOUT = Path(__file__).resolve().parents[1]

IMPORT = """
import builtins, io, os, socket, sys
before = set(sys.modules)
def refuse(*args, **kwargs):
    raise AssertionError(f"importing reached out: {args[:2]}")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
opened, io_open = builtins.open, os.open
def read_only(path, mode="r", *args, **kwargs):
    if set(mode) & set("wax+"):
        refuse(path, mode)
    return opened(path, mode, *args, **kwargs)
def read_flags(path, flags, *args, **kwargs):
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        refuse(path, flags)
    return io_open(path, flags, *args, **kwargs)
builtins.open = io.open = read_only
os.open = read_flags
os.mkdir = os.makedirs = os.replace = os.rename = os.link = refuse
import crantdb
for module in sys.argv[1:]:
    __import__(module)
heavy = {"caveclient", "pandas", "duckdb", "polars", "pyarrow", "numpy", "requests", "matplotlib", "navis", "scipy", "sqlglot"}
print(*sorted(heavy & {name.split(".")[0] for name in set(sys.modules) - before}))
"""


def exceptions() -> dict[str, type[Exception]]:
    """Return every exception that errors.py makes, by name."""
    return {
        name: kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, Exception) and kind.__module__ == errors.__name__
    }


def test_the_public_names_are_sorted_and_all_there() -> None:
    """`__all__` is sorted, without repeats, and each of its names can be had, has a docstring, and is in `dir`."""
    assert crantdb.__all__ == sorted(set(crantdb.__all__))
    assert dir(crantdb) == crantdb.__all__
    for name in crantdb.__all__:
        assert inspect.getdoc(getattr(crantdb, name)), name


def test_every_public_name_is_declared_for_type_checkers() -> None:
    """What is loaded lazily is imported under TYPE_CHECKING, so that editors know it too."""
    [block] = [node for node in ast.parse(inspect.getsource(crantdb)).body if isinstance(node, ast.If)]
    named = {
        alias.name for node in ast.walk(block) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert named == set(crantdb.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """A misspelt name of the package is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = crantdb.conect  # type: ignore[attr-defined]


@pytest.mark.parametrize("modules", [[], ["crantdb.errors"], ["crantdb.config"]])
def test_importing_costs_nothing(modules: list[str]) -> None:
    """Importing opens no socket, writes no file, needs no token and loads no heavy library."""
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT, *modules],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/nowhere", "HOME": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_every_error_stands_in_the_family_tree() -> None:
    """The tree in the docstring of errors.py names every exception, below its parent, and nothing else."""
    stack: list[str] = []
    drawn: dict[str, str | None] = {}
    for line in (inspect.getdoc(errors) or "").splitlines():
        match = re.match(r"(?P<lead>[ │├└─]*)(?P<name>[A-Z]\w+)(\s|$)", line)
        if match and (match["lead"].strip() or match["name"] == "CrantdbError"):
            depth = len(match["lead"]) // 4 - line.startswith("    ")
            del stack[depth:]
            drawn[match["name"]] = stack[-1] if stack else None
            stack.append(match["name"])
    real = {name: kind.__bases__[0].__name__ for name, kind in exceptions().items()}
    assert drawn == real | {"CrantdbError": None}


def test_every_error_is_a_crantdb_error_with_a_word_about_it() -> None:
    """One `except CrantdbError` catches every failure that crantdb states, and each has its docstring."""
    for name, kind in exceptions().items():
        assert issubclass(kind, errors.CrantdbError), name
        assert kind.__doc__, name


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.NotServed, LookupError),
        (errors.NoSuchSnapshot, LookupError),
        (errors.NoSuchTable, LookupError),
        (errors.NotAnId, ValueError),
    ],
)
def test_errors_are_what_python_calls_them_too(kind: type[Exception], builtin: type[Exception]) -> None:
    """What the tree says is also a LookupError or a ValueError is one."""
    assert issubclass(kind, builtin)


def test_the_floors_hold() -> None:
    """import-linter finds no import that goes up, no room that knows its neighbour, no network outside sources."""
    beside = Path(sys.executable).with_name("lint-imports")
    tool = str(beside) if beside.exists() else shutil.which("lint-imports")
    if tool is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [tool, "--no-cache"], cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]
