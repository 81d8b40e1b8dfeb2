"""The schema service: the annotation schemas as JSON Schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crantdb.sandbox.annotation_schemas import SCHEMA_TYPES, json_schema
from crantdb.sandbox.exchange import Response, json_response
from crantdb.sandbox.info import missing

if TYPE_CHECKING:
    from crantdb.sandbox.exchange import Request


class SchemaService:
    """The endpoints of EMAnnotationSchemas."""

    def versions(self, request: Request) -> Response:
        """GET /schema/versions."""
        del request
        return json_response([2], indent=2)

    def types(self, request: Request) -> Response:
        """GET /schema/api/v2/type: the names."""
        del request
        return json_response(list(SCHEMA_TYPES), indent=4)

    def type(self, request: Request, name: str) -> Response:
        """GET /schema/api/v2/type/<name>."""
        if name not in SCHEMA_TYPES:
            base = "/schema/api/v2/type"
            return missing(request, f"{base}/<string:annotation_type>", base, f"{base}s")
        return json_response(json_schema(name), indent=4)

    def some_types(self, request: Request) -> Response:
        """POST /schema/api/v2/types?schema_names=a,b."""
        names = [name for name in request.query("schema_names").split(",") if name in SCHEMA_TYPES]
        return json_response({name: json_schema(name) for name in names}, indent=4)

    def all_types(self, request: Request) -> Response:
        """GET /schema/api/v2/types_all."""
        del request
        return json_response({name: json_schema(name) for name in SCHEMA_TYPES}, indent=4)
