"""dtable-web: accounts, workspaces and the tokens of bases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, Rule

from crantdb.sandbox.seatable.answers import answer, not_found, web_error
from crantdb.sandbox.seatable.limits import throttled
from crantdb.sandbox.seatable.spoil import forced
from crantdb.sandbox.seatable.tokens import Grant, User, sent_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crantdb.sandbox.exchange import Request, Response
    from crantdb.sandbox.seatable.base import Base
    from crantdb.sandbox.seatable.cells import Json
    from crantdb.sandbox.seatable.faults import Fault
    from crantdb.sandbox.seatable.state import State

_DAY_S = 86_400
_AT = "/api/v2.1/workspace/<int:workspace>/dtable/<name>"
_SPANS = {"d": _DAY_S, "h": 3_600, "m": 60, "s": 1}


class Web:
    """The web server of a SeaTable.

    Args:
        state: the server's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        rules = [Rule(path, endpoint=point, methods=[verb]) for verb, path, point in self._routes()]
        self._map = Map(rules, strict_slashes=False)

    def answer(self, request: Request, faults: tuple[Fault, ...]) -> Response:
        """Return the answer to a request."""
        try:
            endpoint, values = self._map.bind("sandbox").match(request.path, method=request.method)
        except MethodNotAllowed:
            return answer({"detail": f'Method "{request.method}" not allowed.'}, 405)
        except HTTPException:
            return not_found()
        options = self._state.options
        is_auth = request.path.startswith("/api2/auth-token")
        limit = options.auth_rpm if is_auth else options.web_rpm
        standing = self._state.window("auth" if is_auth else "web", limit).hit()
        if not standing.is_in:
            return throttled(standing, self._state.clock)
        response: Response = forced(faults, self._state.url) or endpoint(request, **values)
        return response

    def log_in(self, request: Request) -> Response:
        """Answer ``POST /api2/auth-token/``."""
        form = parse_qs(request.body.decode("utf-8", "replace"))
        name, password = ((form.get(field) or [""])[0] for field in ("username", "password"))
        token = self._state.tokens.log_in(name, password)
        if token is None:
            return answer({"non_field_errors": "Unable to login with provided credentials."}, 400)
        return answer({"token": token})

    def account(self, request: Request) -> Response:
        """Answer ``GET /api2/account/info/``."""
        user = self._user(request)
        if not isinstance(user, User):
            return user
        found = {"email": user.email, "name": user.name, "login_id": "", "contact_email": user.login}
        return answer(found | {"usage": 0, "total": -2, "is_staff": False})

    def workspaces(self, request: Request) -> Response:
        """Answer ``GET /api/v2.1/workspaces/``."""
        user = self._user(request)
        if not isinstance(user, User):
            return user
        numbers = sorted({base.workspace_id for base in self._state.bases})
        return answer({"workspace_list": [self._workspace(number, user) for number in numbers]})

    def temporary_token(self, request: Request, workspace: int, name: str) -> Response:
        """Answer the path of temporary API tokens."""
        user, base = self._user(request), self._state.base_at(workspace, name)
        if not isinstance(user, User):
            return user
        if base is None:
            return web_error(f"dtable {name} not found.", 404)
        if not _is_shared(user, base):
            return web_error("Permission denied.", 403)
        return answer({"api_token": self._state.tokens.temporary(base, user)})

    def base_token(self, request: Request) -> Response:
        """Answer ``GET /api/v2.1/dtable/app-access-token/``: an API token becomes a base token."""
        grant = self._state.tokens.api(sent_token(request))
        base = self._state.base(grant.base) if grant else None
        if grant is None or base is None:
            return web_error("Permission denied.", 403)
        wanted = request.query("exp") if self._state.options.since("6.0") else ""
        token = self._state.tokens.issue(base, grant, seconds=_seconds(wanted))
        return answer(self._way_to(base) | {"app_name": grant.app_name, "access_token": token})

    def base_token_of_account(self, request: Request, workspace: int, name: str) -> Response:
        """Answer the path at which an account token becomes a base token."""
        user, base = self._user(request), self._state.base_at(workspace, name)
        if not isinstance(user, User):
            return user
        if base is None:
            return web_error(f"dtable {name} not found.", 404)
        if not _is_shared(user, base):
            return web_error("Permission denied.", 403)
        token = self._state.tokens.issue(base, Grant(base.uuid, "rw"))
        return answer({"access_token": token, "dtable_uuid": base.uuid})

    def related_users(self, request: Request, uuid: str) -> Response:
        """Answer ``GET /api/v2.1/dtables/{uuid}/related-users/``."""
        if self._state.tokens.base(sent_token(request), uuid) is None:
            return web_error("Permission denied.", 403)
        users = [
            {
                "email": user.email,
                "name": user.name,
                "contact_email": user.login,
                "avatar_url": f"{self._state.url}/media/avatars/default.png",
                "id_in_org": "",
            }
            for user in self._state.tokens.users
        ]
        return answer({"user_list": users})

    def download_link(self, request: Request) -> Response:
        """Answer ``GET /api/v2.1/dtable/app-download-link/``; a file that is missing is a bad request."""
        grant = self._state.tokens.api(sent_token(request))
        base = self._state.base(grant.base) if grant else None
        if base is None:
            return web_error("Permission denied.", 403)
        path = request.query("path").strip("/")
        if path not in base.files:
            return web_error("file not found.", 400)
        return answer({"download_link": f"{self._state.url}/seafhttp/files/{base.uuid}/{path}"})

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Any]]]:
        """Give the paths."""
        yield "POST", "/api2/auth-token/", self.log_in
        yield "GET", "/api2/account/info/", self.account
        yield "GET", "/api/v2.1/workspaces/", self.workspaces
        yield "GET", f"{_AT}/temp-api-token/", self.temporary_token
        yield "GET", f"{_AT}/access-token/", self.base_token_of_account
        yield "GET", "/api/v2.1/dtable/app-access-token/", self.base_token
        yield "GET", "/api/v2.1/dtable/app-download-link/", self.download_link
        yield "GET", "/api/v2.1/dtables/<uuid>/related-users/", self.related_users

    def _user(self, request: Request) -> User | Response:
        """Return whose account token was sent, or the refusal: 403 for none, 401 for a wrong one."""
        token = sent_token(request)
        if not token:
            return answer({"detail": "Authentication credentials were not provided."}, 403)
        return self._state.tokens.user(token) or answer({"detail": "Invalid token"}, 401)

    def _workspace(self, number: int, user: User) -> dict[str, Json]:
        """Return one workspace with the bases that a user may see."""
        bases = [b for b in self._state.bases if b.workspace_id == number and _is_shared(user, b)]
        return {
            "id": number,
            "name": f"workspace {number}",
            "type": "group",
            "group_id": number,
            "table_list": [
                {"id": place, "workspace_id": number, "uuid": base.uuid, "name": base.name}
                for place, base in enumerate(bases, 1)
            ],
            "shared_table_list": [],
        }

    def _way_to(self, base: Base) -> dict[str, Json]:
        """Return what a client is told about a base's servers."""
        url, options = self._state.url, self._state.options
        out: dict[str, Json] = {
            "dtable_uuid": base.uuid,
            "dtable_name": base.name,
            "workspace_id": base.workspace_id,
            "dtable_server": f"{url}/api-gateway/",
            "use_api_gateway": options.since("4.4"),
        }
        if options.since("5.3"):
            return out
        old = {
            "dtable_server": f"{url}/dtable-server/",
            "dtable_socket": f"{url}/",
            "dtable_db": f"{url}/dtable-db/",
        }
        return out | old


def _is_shared(user: User, base: Base) -> bool:
    """Return whether a user may see a base."""
    return user.bases is None or base.name in user.bases


def _seconds(text: str) -> float | None:
    """Return a time to live such as ``3d`` in seconds; None for none or nonsense."""
    unit, digits = text[-1:], text[:-1]
    return int(digits) * _SPANS[unit] if digits.isdigit() and unit in _SPANS else None
