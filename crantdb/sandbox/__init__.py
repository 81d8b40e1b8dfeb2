"""CAVE on loopback over a generated world: for the demo and the tests."""

from crantdb.sandbox.faults import Fault, Faults
from crantdb.sandbox.given import (
    Datastack,
    GivenTable,
    GivenView,
    Version,
    datastack_from_tables,
    tables_from_folder,
)
from crantdb.sandbox.requestlog import RequestLog
from crantdb.sandbox.server import Sandbox
from crantdb.sandbox.world import Truth, generate_world

__all__ = [
    "Datastack",
    "Fault",
    "Faults",
    "GivenTable",
    "GivenView",
    "RequestLog",
    "Sandbox",
    "Truth",
    "Version",
    "datastack_from_tables",
    "generate_world",
    "tables_from_folder",
]
