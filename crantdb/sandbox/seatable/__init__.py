"""SeaTable on loopback: accounts, bases, rows, SQL, limits and faults, for the demo and the tests.

A server over a base of one table, read with the real client, and an edit between two of its requests::

    base = Base("CRANTb", [Table("neurons", [Column("root_id"), Column("side", "single-select")],
                                 rows=[{"root_id": "576460752700282748", "side": "left"}])],
                api_tokens={"an-api-token": "r"})
    with SeaTable(base, token="an-account-token") as server:
        server.on(3, lambda: insert_rows(base, "neurons", 5, ids="low"), match="/sql")
        server.fault(Fault("status", match="/sql", nth=2, code=502))
        account = seatable_api.Account(None, None, server.url)
        ...
"""

from crantdb.sandbox.seatable.annotators import Change, annotate
from crantdb.sandbox.seatable.base import ApiToken, Base
from crantdb.sandbox.seatable.clock import Clock
from crantdb.sandbox.seatable.crantb import Crantb, crantb_base
from crantdb.sandbox.seatable.dirt import RowTruth
from crantdb.sandbox.seatable.faults import Fault, Hook
from crantdb.sandbox.seatable.given import base_from_rows, rows_from_csv
from crantdb.sandbox.seatable.log import Entry, RequestLog
from crantdb.sandbox.seatable.model import Column, Table, View
from crantdb.sandbox.seatable.options import Options
from crantdb.sandbox.seatable.row_edits import (
    append_socket_row,
    archive_rows,
    delete_rows,
    insert_rows,
    update_row,
)
from crantdb.sandbox.seatable.schema_edits import (
    add_column,
    add_link_column,
    add_table,
    delete_column,
    delete_option,
    drop_table,
    modify_column_type,
    recompute_formula,
    rename_column,
    rename_option,
    rename_table,
    set_links,
)
from crantdb.sandbox.seatable.server import SeaTable
from crantdb.sandbox.seatable.tokens import User

__all__ = [
    "ApiToken",
    "Base",
    "Change",
    "Clock",
    "Column",
    "Crantb",
    "Entry",
    "Fault",
    "Hook",
    "Options",
    "RequestLog",
    "RowTruth",
    "SeaTable",
    "Table",
    "User",
    "View",
    "add_column",
    "add_link_column",
    "add_table",
    "annotate",
    "append_socket_row",
    "archive_rows",
    "base_from_rows",
    "crantb_base",
    "delete_column",
    "delete_option",
    "delete_rows",
    "drop_table",
    "insert_rows",
    "modify_column_type",
    "recompute_formula",
    "rename_column",
    "rename_option",
    "rename_table",
    "rows_from_csv",
    "set_links",
    "update_row",
]
