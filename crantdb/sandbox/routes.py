"""Which path is answered by which service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from crantdb.sandbox.chunkedgraph import Chunkedgraph
from crantdb.sandbox.edit_log import EditLog
from crantdb.sandbox.exchange import Request, Response, not_found_page
from crantdb.sandbox.frozen import Frozen
from crantdb.sandbox.info import Info
from crantdb.sandbox.l2_graph import L2Graph
from crantdb.sandbox.l2cache import L2Cache
from crantdb.sandbox.lineage import Lineage
from crantdb.sandbox.materialize import Materialize
from crantdb.sandbox.schema_service import SchemaService
from crantdb.sandbox.watershed import Watershed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crantdb.sandbox.site import Site

Endpoint = Callable[..., Response]
Route = tuple[str, str, Endpoint]

_STACK = "/materialize/api/v3/datastack/<stack>"
_VERSION = _STACK + "/version/<int:number>"
_PCG = "/segmentation/api/v1/table/<pcg>"
_V2 = "/materialize/api/v2/datastack/<stack>/version/<int:number>"


class Routes:
    """All endpoints of a site."""

    def __init__(self, site: Site) -> None:
        routes = [
            *_info(Info(site)),
            *_schema(SchemaService()),
            *_materialize(Materialize(site)),
            *_queries(Frozen(site)),
            *_chunkedgraph(Chunkedgraph(site)),
            *_l2(L2Graph(site), L2Cache(site)),
            *_lineage(Lineage(site), EditLog(site)),
            *_watershed(Watershed(site)),
        ]
        rules = [Rule(path, endpoint=endpoint, methods=[method]) for method, path, endpoint in routes]
        self._map = Map(rules, strict_slashes=False)

    def answer(self, request: Request) -> Response:
        """Return the response of the endpoint that a request names, or Flask's 404 page."""
        found = self._match(request)
        if found is None:
            return not_found_page()
        endpoint, values = found
        return endpoint(request, **values)

    def _match(self, request: Request) -> tuple[Endpoint, Mapping[str, Any]] | None:
        """Return the endpoint and the values of its path, or None."""
        adapter = self._map.bind("sandbox")
        try:
            return adapter.match(request.path, method=request.method)
        except HTTPException:
            return None


def _info(info: Info) -> Iterator[Route]:
    """Give the routes of the info service."""
    yield "GET", "/info/version", info.version
    yield "GET", "/info/api/v2/datastacks", info.datastacks
    yield "GET", "/info/api/v2/datastack/full/<name>", info.datastack
    yield "GET", "/info/api/v2/aligned_volume", info.aligned_volumes
    yield "GET", "/info/api/v2/aligned_volume/<name>", info.aligned_volume
    yield "GET", "/info/api/v2/aligned_volume/id/<int:number>", info.aligned_volume_by_id
    yield "GET", "/info/api/v2/aligned_volume/<name>/datastacks", info.datastacks_of


def _materialize(engine: Materialize) -> Iterator[Route]:
    """Give the routes of the materialization engine's metadata."""
    yield "GET", "/materialize/version", engine.server_version
    yield "GET", "/materialize/api/versions", engine.api_versions
    yield "GET", f"{_STACK}/versions", engine.versions
    yield "GET", f"{_STACK}/metadata", engine.versions_metadata
    yield "GET", _VERSION, engine.version_metadata
    yield "GET", f"{_V2}/tables", engine.tables_v2
    yield "GET", f"{_VERSION}/tables", engine.tables_v3
    yield "GET", f"{_VERSION}/tables/metadata", engine.tables_metadata
    yield "GET", f"{_VERSION}/table/<table>/metadata", engine.table_metadata
    yield "GET", f"{_V2}/table/<table>/count", engine.count
    yield "GET", f"{_STACK}/table/<table>/unique_string_values", engine.unique_strings
    yield "GET", f"{_VERSION}/views", engine.views
    yield "GET", f"{_VERSION}/views/schemas", engine.view_schemas
    yield "GET", f"{_VERSION}/views/<view>/metadata", engine.view_metadata
    yield "GET", f"{_VERSION}/views/<view>/schema", engine.view_schema


def _queries(frozen: Frozen) -> Iterator[Route]:
    """Give the routes of its queries."""
    yield "POST", f"{_VERSION}/table/<table>/query", frozen.table
    yield "POST", f"{_VERSION}/query", frozen.join
    yield "POST", f"{_VERSION}/views/<view>/query", frozen.view


def _schema(service: SchemaService) -> Iterator[Route]:
    """Give the routes of the schema service."""
    yield "GET", "/schema/versions", service.versions
    yield "GET", "/schema/api/v2/type", service.types
    yield "GET", "/schema/api/v2/type/<name>", service.type
    yield "POST", "/schema/api/v2/types", service.some_types
    yield "GET", "/schema/api/v2/types_all", service.all_types


def _chunkedgraph(graph: Chunkedgraph) -> Iterator[Route]:
    """Give the routes of the chunkedgraph."""
    yield "GET", "/segmentation/api/versions", graph.api_versions
    yield "GET", "/segmentation/api/version", graph.server_version
    yield "GET", "/segmentation/table/<pcg>/info", graph.info
    yield "POST", f"{_PCG}/roots_binary", graph.roots_binary
    yield "GET", f"{_PCG}/node/<int:node>/root", graph.root
    yield "GET", f"{_PCG}/node/<int:node>/leaves", graph.leaves
    yield "POST", f"{_PCG}/node/leaves_many", graph.leaves_many
    yield "POST", f"{_PCG}/is_latest_roots", graph.is_latest_roots
    yield "POST", f"{_PCG}/root_timestamps", graph.root_timestamps
    yield "GET", f"{_PCG}/delta_roots", graph.delta_roots


def _l2(graph: L2Graph, cache: L2Cache) -> Iterator[Route]:
    """Give the routes of L2 graphs and of the L2 cache."""
    yield "GET", f"{_PCG}/node/<int:node>/lvl2_graph", graph.lvl2_graph
    yield "GET", "/l2cache/api/v1/attribute_metadata", cache.attribute_metadata
    yield "GET", "/l2cache/api/v1/table_mapping", cache.table_mapping
    yield "POST", "/l2cache/api/v1/table/<pcg>/attributes", cache.attributes


def _lineage(lineage: Lineage, log: EditLog) -> Iterator[Route]:
    """Give the routes of lineage and of the operation log."""
    yield "POST", f"{_PCG}/lineage_graph_multiple", lineage.lineage_graph
    yield "GET", f"{_PCG}/past_id_mapping", lineage.past_ids
    yield "GET", f"{_PCG}/valid_nodes", lineage.valid_nodes
    yield "GET", f"{_PCG}/tabular_change_log_many", log.tabular_change_log
    yield "GET", f"{_PCG}/root/<int:node>/change_log", log.change_log
    yield "GET", f"{_PCG}/root/<int:node>/merge_log", log.merge_log
    yield "GET", f"{_PCG}/operation_details", log.operation_details
    yield "GET", f"{_PCG}/oldest_timestamp", log.oldest_timestamp


def _watershed(files: Watershed) -> Iterator[Route]:
    """Give the routes of the segmentation's files."""
    yield "GET", "/watershed/<pcg>/info", files.info
    yield "GET", "/watershed/<pcg>/<key>/<name>", files.file
