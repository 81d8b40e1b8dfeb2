"""The materialization engine's metadata: versions, tables, counts, views."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from crantdb.sandbox.exchange import Response, ServerError, json_response

if TYPE_CHECKING:
    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.given import Datastack, GivenTable, GivenView, Resolution, Version
    from crantdb.sandbox.site import Site

# Dropped databases are listed as long as nobody tidies them away: their tables are known, their rows are not.
_NO_RELATION = (
    '(psycopg2.errors.UndefinedTable) relation "materializedmetadata" does not exist\n'
    "LINE 2: FROM materializedmetadata \n             ^\n\n[SQL: SELECT materializedmetadata.row_count AS "
    "materializedmetadata_row_count \nFROM materializedmetadata \nWHERE materializedmetadata.table_name = "
    "%(table_name_1)s]\n[parameters: {{'table_name_1': '{table}'}}]\n"
    "(Background on this error at: http://sqlalche.me/e/13/f405)"
)
_CREATED = timedelta(days=30)


def find_datastack(site: Site, name: str) -> Datastack:
    """Return a datastack.

    Raises:
        ServerError: the 500 of the materialization engine when the info service does not know it.
    """
    found = site.datastack(name)
    if found is None:
        url = f"{site.url}/info/api/v2/datastack/full/{name}"
        msg = f"datastack {name} info not returned 404 Client Error: NOT FOUND for url: {url}"
        raise ServerError(msg)
    return found


def find_version(stack: Datastack, number: int) -> Version:
    """Return a version.

    Raises:
        ServerError: when the datastack has none of that number.
    """
    found = stack.version(number)
    if found is None:
        msg = f"404 Not Found: version {number} not found in {stack.name}"
        raise ServerError(msg)
    return found


def find_table(stack: Datastack, version: Version, name: str) -> GivenTable:
    """Return a table of a version, available or not; a running version has none yet.

    Raises:
        ServerError: when the version does not have it.
    """
    found = None if version.status == "RUNNING" else version.table(name)
    if found is None:
        where = f"version {version.number} in datastack {stack.name}"
        msg = f"404 Not Found: Analysis table '{name}' not found for {where}"
        raise ServerError(msg)
    return found


def naive(moment: datetime) -> str:
    """Return a time in UTC as the server writes it: ISO without zone, without zero microseconds."""
    return moment.replace(tzinfo=None).isoformat()


class Materialize:
    """The endpoints that tell of versions, tables and views; the queries are in `frozen`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def server_version(self, request: Request) -> Response:
        """GET /materialize/version."""
        del request
        return json_response(self._site.options.server_versions["materialize"])

    def api_versions(self, request: Request) -> Response:
        """GET /materialize/api/versions."""
        del request
        return json_response([2, 3])

    def versions(self, request: Request, stack: str) -> Response:
        """GET …/versions: the numbers of the valid versions, or of all with ``expired=True``."""
        found = find_datastack(self._site, stack)
        return json_response([v.number for v in found.versions if v.valid or request.flag("expired")])

    def versions_metadata(self, request: Request, stack: str) -> Response:
        """GET …/metadata: the valid versions, or all with ``expired=True``."""
        found = find_datastack(self._site, stack)
        listed = [v for v in found.versions if v.valid or request.flag("expired")]
        if not listed:
            return json_response("No valid versions found", status=404)
        return json_response([_version_metadata(found, version) for version in listed])

    def version_metadata(self, request: Request, stack: str, number: int) -> Response:
        """GET …/version/<number>."""
        del request
        found = find_datastack(self._site, stack)
        version = found.version(number)
        if version is None:
            return json_response("No version found", status=404)
        return json_response(_version_metadata(found, version))

    def tables_v2(self, request: Request, stack: str, number: int) -> Response:
        """GET v2 …/tables: the names; none for a version that is not available."""
        del request
        return json_response(self._table_names(stack, number))

    def tables_v3(self, request: Request, stack: str, number: int) -> Response:
        """GET v3 …/tables: as v2, but a 404 when there are none."""
        del request
        names = self._table_names(stack, number)
        return json_response(names) if names else json_response(None, status=404)

    def tables_metadata(self, request: Request, stack: str, number: int) -> Response:
        """GET …/tables/metadata: all tables, those of a version that is no longer valid too."""
        del request
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        tables = () if version.status == "RUNNING" else version.tables
        described = [_table_metadata(found, version, table) for table in tables]
        return json_response(described, status=200 if described else 404)

    def table_metadata(self, request: Request, stack: str, number: int, table: str) -> Response:
        """GET …/table/<table>/metadata."""
        del request
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        given = None if version.status == "RUNNING" else version.table(table)
        if given is None:
            text = f"No table named '{table}' found for version '{number}' in datastack '{stack}'"
            return json_response(text, status=404)
        return json_response(_table_metadata(found, version, given))

    def count(self, request: Request, stack: str, number: int, table: str) -> Response:
        """GET v2 …/table/<table>/count: the valid rows."""
        del request
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        rows = find_table(found, version, table).rows
        if version.status == "EXPIRED":
            raise ServerError(_NO_RELATION.format(table=table))
        return json_response(
            pc.sum(rows["valid"]).as_py() or 0 if "valid" in rows.column_names else len(rows)
        )

    def unique_strings(self, request: Request, stack: str, table: str) -> Response:
        """GET …/table/<table>/unique_string_values: from the live table, here that of the newest version."""
        del request
        found = find_datastack(self._site, stack)
        with_table = [v.table(table) for v in sorted(found.versions, key=lambda v: v.time_stamp)]
        given = next((live for live in reversed(with_table) if live is not None), None)
        if given is None:
            msg = f"No table named '{table}' exists."
            raise ServerError(msg)
        texts = [field.name for field in given.rows.schema if pa.types.is_string(field.type)]
        return json_response({name: given.rows[name].unique().to_pylist() for name in texts})

    def views(self, request: Request, stack: str, number: int) -> Response:
        """GET …/views: the views by name."""
        del request
        found = find_datastack(self._site, stack)
        version = find_version(found, number)
        return json_response({view.name: _view_metadata(found, view) for view in version.views})

    def view_metadata(self, request: Request, stack: str, number: int, view: str) -> Response:
        """GET …/views/<view>/metadata."""
        del request
        found = find_datastack(self._site, stack)
        given = find_view(find_version(found, number), view)
        return json_response({**_view_metadata(found, given), "table_name": given.name})

    def view_schema(self, request: Request, stack: str, number: int, view: str) -> Response:
        """GET …/views/<view>/schema: column → type."""
        del request
        given = find_view(find_version(find_datastack(self._site, stack), number), view)
        return json_response(dict(given.schema))

    def view_schemas(self, request: Request, stack: str, number: int) -> Response:
        """GET …/views/schemas: all views' schemas; a 404 when there are no views."""
        del request
        version = find_version(find_datastack(self._site, stack), number)
        schemas = {view.name: dict(view.schema) for view in version.views}
        return json_response(schemas, status=200 if schemas else 404)

    def _table_names(self, stack: str, number: int) -> list[str]:
        """Return the tables that a version lists."""
        found = find_datastack(self._site, stack)
        version = found.version(number)
        if version is None:
            msg = f"404 Not Found: version {number} does not exist for {stack} "
            raise ServerError(msg)
        return [table.name for table in version.tables] if version.listed else []


def find_view(version: Version, name: str) -> GivenView:
    """Return a view of a version.

    Raises:
        ServerError: when the version does not have it.
    """
    found = version.view(name)
    if found is None:
        msg = "No row was found for one()"
        raise ServerError(msg)
    return found


def _version_metadata(stack: Datastack, version: Version) -> dict[str, Any]:
    """Return a version as it is served."""
    return {
        "valid": version.valid,
        "datastack": stack.name,
        "is_merged": version.is_merged,
        "version": version.number,
        "status": version.status,
        "id": stack.versions.index(version) + 1,
        "time_stamp": naive(version.time_stamp),
        "expires_on": naive(version.expires_on) if version.expires_on else None,
    }


def _table_metadata(stack: Datastack, version: Version, table: GivenTable) -> dict[str, Any]:
    """Return a table as it is served; one without segmentation has fewer fields."""
    before = sum(len(v.tables) for v in stack.versions[: stack.versions.index(version)])
    created = naive(table.created or min(v.time_stamp for v in stack.versions) - _CREATED)
    described = {
        "created": created,
        "valid": True,
        "aligned_volume": stack.aligned_volume,
        "schema": table.schema_type,
        "table_name": table.name,
        "id": before + version.tables.index(table) + 1,
        "schema_type": table.schema_type,
        "user_id": table.user_id,
        "description": table.description,
        "notice_text": table.notice_text,
        "reference_table": table.reference_table,
        "flat_segmentation_source": None,
        **_resolution(table.voxel_resolution),
        "write_permission": "PRIVATE",
        "read_permission": table.read_permission,
        "last_modified": created,
    }
    if not any(name.endswith("_root_id") for name in table.rows.column_names):
        return described
    segmented = {"segmentation_source": None, "pcg_table_name": stack.pcg_table}
    return {**described, **segmented, "last_updated": naive(version.time_stamp)}


def _view_metadata(stack: Datastack, view: GivenView) -> dict[str, Any]:
    """Return a view as it is served."""
    known = [other.name for version in stack.versions for other in version.views]
    return {
        "id": known.index(view.name) + 1,
        "description": view.description,
        "notice_text": view.notice_text,
        "live_compatible": view.live_compatible,
        "datastack_name": stack.name,
        **_resolution(view.voxel_resolution),
    }


def _resolution(voxel_nm: Resolution) -> dict[str, float]:
    """Return a voxel size as the three fields that hold it."""
    return {f"voxel_resolution_{axis}": size for axis, size in zip("xyz", voxel_nm, strict=True)}
