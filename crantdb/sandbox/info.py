"""The info service: the datastacks and their aligned volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crantdb.sandbox.exchange import Response, json_response

if TYPE_CHECKING:
    from crantdb.sandbox.exchange import Request
    from crantdb.sandbox.given import Datastack
    from crantdb.sandbox.site import Site


def missing(request: Request, *like: str) -> Response:
    """Return the 404 of the info and schema services, which name the routes that look alike."""
    guesses = " or ".join(like)
    message = (
        "The requested URL was not found on the server. If you entered the URL manually please check your "
        f"spelling and try again. You have requested this URI [{request.path}] but did you mean {guesses} ?"
    )
    return json_response({"message": message}, status=404, indent=4)


def datastack_missing(request: Request) -> Response:
    """Return the 404 for a datastack that does not exist."""
    base = "/info/api/v2/datastack"
    return missing(request, f"{base}/full/<string:datastack>", f"{base}/<string:datastack>", f"{base}s")


class Info:
    """The endpoints of the info service."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def version(self, request: Request) -> Response:
        """GET /info/version: the server's version."""
        del request
        return json_response(self._site.options.server_versions["info"])

    def datastacks(self, request: Request) -> Response:
        """GET /info/api/v2/datastacks: the names."""
        del request
        return json_response([datastack.name for datastack in self._site.datastacks()], indent=4)

    def datastack(self, request: Request, name: str) -> Response:
        """GET /info/api/v2/datastack/full/<name>: everything about one datastack."""
        found = self._site.datastack(name)
        if found is None:
            return datastack_missing(request)
        return json_response(self._describe(found), indent=4)

    def aligned_volumes(self, request: Request) -> Response:
        """GET /info/api/v2/aligned_volume: the names."""
        del request
        return json_response(list(self._volumes()), indent=4)

    def aligned_volume(self, request: Request, name: str) -> Response:
        """GET /info/api/v2/aligned_volume/<name>: one aligned volume."""
        if name not in self._volumes():
            return missing(request, "/info/api/v2/aligned_volume/<string:aligned_volume>")
        return json_response(self._volume(name), indent=4)

    def aligned_volume_by_id(self, request: Request, number: int) -> Response:
        """GET /info/api/v2/aligned_volume/id/<number>: one aligned volume."""
        names = [name for name, volume in self._volumes().items() if volume == number]
        if not names:
            return missing(request, "/info/api/v2/aligned_volume/id/<int:aligned_volume_id>")
        return json_response(self._volume(names[0]), indent=4)

    def datastacks_of(self, request: Request, name: str) -> Response:
        """GET /info/api/v2/aligned_volume/<name>/datastacks: the names of its datastacks."""
        del request
        stacks = [stack.name for stack in self._site.datastacks() if stack.aligned_volume == name]
        return json_response(stacks, indent=4)

    def _volumes(self) -> dict[str, int]:
        """Return the numbers of the aligned volumes by name."""
        names = dict.fromkeys(stack.aligned_volume for stack in self._site.datastacks())
        return {name: number for number, name in enumerate(names, start=1)}

    def _volume(self, name: str) -> dict[str, Any]:
        """Return an aligned volume as it is served."""
        return {
            "id": self._volumes()[name],
            "name": name,
            "display_name": "Sandbox",
            "description": "A generated brain",
            "image_source": f"precomputed://{self._site.url}/em",
        }

    def _describe(self, stack: Datastack) -> dict[str, Any]:
        """Return a datastack as it is served."""
        url, name = self._site.url, stack.name
        described = {
            "aligned_volume": self._volume(stack.aligned_volume),
            "segmentation_source": f"graphene://{url}/segmentation/table/{stack.pcg_table}",
            "skeleton_source": f"precomputed://{url}/skeletoncache/api/v1/{name}/precomputed/skeleton",
            "analysis_database": None,
            "viewer_site": "https://spelunker.cave-explorer.org/",
            "synapse_table": stack.synapse_table,
            "soma_table": stack.soma_table,
            "local_server": url,
            "description": "Sandbox datastack",
            "viewer_resolution_x": 8.0,
            "viewer_resolution_y": 8.0,
            "viewer_resolution_z": 42.0,
            "proofreading_status_table": None,
            "cell_identification_table": None,
            "proofreading_review_table": None,
        }
        return {**described, **stack.info}
