"""What every test shares: a home of its own, the canary token, and the look-out for it."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CANARY = "canary7d1f0c52e94b4a6f8b3c0e6a51d2f7"
"""The token every sandbox of the tests asks for. It may appear in no output, log, manifest or file."""

SHARED = Path(__file__).resolve().parents[1].parent / "shared"
"""Real data and recordings, where they are at hand; tests that read them are skipped elsewhere."""

settings.register_profile("crantdb", deadline=None)  # no time is asserted, on however busy a machine
settings.load_profile("crantdb")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without a look for garbage, and leave out of every later look what was collected.

    Half a million objects that stay to the end, looked through again and again, take a twentieth of all time.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_unconfigure() -> None:
    """Let all go as if it had never been left out: DuckDB's bindings else call at exit what is still there a leak."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all tests' homes."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def own_home(homes: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give each test a home without tokens, and an environment without crantdb's variables."""
    home = Path(tempfile.mkdtemp(dir=homes))  # pytest's own way looks at every folder there is, for each test
    monkeypatch.setenv("HOME", str(home))
    for name in ("CAVE_TOKEN", "CRANTDB_WAREHOUSE", "CRANTTABLE_TOKEN", "SEATABLE_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the canary token, set as CAVE_TOKEN."""
    monkeypatch.setenv("CAVE_TOKEN", CANARY)
    return CANARY


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of real data and recordings."""
    if not SHARED.is_dir():
        pytest.skip("the folder of real data and recordings is not beside the checkout")
    return SHARED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Fail a test whose output or log shows the canary."""
    report: Any = yield
    shown = "".join(text for _, text in report.sections)
    if call.when == "teardown" and CANARY in shown:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: the canary token appears in its output or log"
    return report


@pytest.fixture(scope="session", autouse=True)
def no_canary_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail the run when any file that a test left holds the canary (tests that write a secrets file remove it)."""
    yield
    needle = CANARY.encode()
    found = [
        str(path)
        for path in tmp_path_factory.getbasetemp().rglob("*")
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    ]
    assert not found, f"the canary token was left in {found[:5]}"
