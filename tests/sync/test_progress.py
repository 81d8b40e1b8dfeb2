"""A long step says how far it is; one that is over soon says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sync import progress
from crantdb.sync.progress import EVERY_S, FIRST_S, Steps
from tests.sync.bench import Voice

if TYPE_CHECKING:
    import pytest


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Return what it shows."""
        return self.now


def lines(monkeypatch: pytest.MonkeyPatch, *, seconds: float, parts: int) -> list[str]:
    """Return what is said of a step whose parts take so long each."""
    clock, voice = Clock(), Voice()
    monkeypatch.setattr(progress, "time", clock)
    steps = Steps(voice, "t: parts counted", parts)
    for _ in range(parts):
        clock.now += seconds
        steps.done()
    return voice.lines


def test_what_is_over_soon_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of many parts in less than two seconds is silent."""
    assert lines(monkeypatch, seconds=FIRST_S / 200, parts=100) == []


def test_a_long_step_is_heard_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long step is heard of after two seconds, then every ten, and not at its end."""
    said = lines(monkeypatch, seconds=1.0, parts=2_000)
    assert said[0] == f"t: parts counted: {int(FIRST_S)} of 2,000"
    assert said[1] == f"t: parts counted: {int(FIRST_S + EVERY_S)} of 2,000"
    assert len(said) == 200
    assert said[-1] == "t: parts counted: 1,992 of 2,000"
