"""The wheel holds the package and its SQL, nothing else, and works from where it is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]

LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
import crantdb
from crantdb.assets import folder, sql_texts
from crantdb.schema import declarations, declared_columns
from crantdb.warehouse.qualify import sql_objects
from crantdb.warehouse.manifest import tool_version
print(crantdb.__file__)
print(folder("sql"))
print(folder("schemas"))
print(*sorted(declarations()))
print(*sorted(item.name for item in sql_objects()))
print(tool_version())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from the checkout without the network."""
    pytest.importorskip(
        "hatchling", reason="the build backend is not installed, and fetching it needs the network"
    )
    out = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(CHECKOUT)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def names(wheel: Path) -> list[PurePosixPath]:
    """Return what the wheel holds, but for its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        found = [PurePosixPath(name) for name in archive.namelist()]
    return [name for name in found if not name.parts[0].endswith(".dist-info")]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that the wheel is installed into, without its dependencies."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    subprocess.run(
        [*command, "--disable-pip-version-check", "--target", str(target), str(wheel)],
        check=True,
        timeout=120,
    )
    return target


def test_the_wheel_holds_every_module_and_nothing_beside_it(names: list[PurePosixPath]) -> None:
    """Exactly the modules of crantdb/ and the texts of sql/ and schemas/ are shipped: no test, no data, no cache."""
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "crantdb").rglob("*.py")}
    texts = {
        "crantdb/" + path.relative_to(CHECKOUT).as_posix()
        for room in ("sql", "schemas")
        for path in (CHECKOUT / room).rglob("*.sql")
    }
    shipped = {name.as_posix() for name in names}
    assert modules | texts <= shipped
    more = {name for name in shipped - modules - texts if not name.endswith(("py.typed", "/README.md"))}
    assert more == set()


def test_sql_and_schemas_hold_no_python(names: list[PurePosixPath]) -> None:
    """Inside the package, sql/ and schemas/ are folders of text, not packages."""
    inside = [name for name in names if len(name.parts) > 1 and name.parts[1] in {"sql", "schemas"}]
    assert inside
    assert [name for name in inside if name.suffix in {".py", ".pyc"}] == []


def test_an_installed_package_finds_its_own_sql(installed: Path, tmp_path: Path) -> None:
    """Installed, crantdb reads sql/ and schemas/ from inside itself, each text of the checkout, and knows its version."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(installed)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    where, sql, schemas, declared, objects, version = done.stdout.splitlines()
    assert Path(where).parent == installed / "crantdb"
    assert Path(sql) == installed / "crantdb" / "sql"
    assert Path(schemas) == installed / "crantdb" / "schemas"
    assert declared.split() == sorted(path.stem for path in (CHECKOUT / "schemas").glob("*.sql"))
    assert objects.split() == sorted(path.stem for path in (CHECKOUT / "sql").rglob("*.sql"))
    [metadata] = installed.glob("crantdb-*.dist-info")
    assert metadata.name == f"crantdb-{version}.dist-info"


def test_a_broken_installation_says_so(installed: Path, tmp_path: Path) -> None:
    """Without its sql/ folder an installed crantdb says that it is broken and how to mend it."""
    lame = tmp_path / "lame" / "crantdb"
    lame.mkdir(parents=True)
    for name in ("__init__.py", "assets.py"):
        (lame / name).write_bytes((installed / "crantdb" / name).read_bytes())
    code = "import sys; sys.path.insert(0, sys.argv[1])\nfrom crantdb.assets import folder\nfolder('sql')"
    done = subprocess.run(
        [sys.executable, "-c", code, str(lame.parent)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "sql/ folder is missing" in done.stderr
    assert "Reinstall" in done.stderr
