"""From an answer of SeaTable's gateway to an error of ours, or to its JSON."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crantdb.errors import AuthError, BadResponse, NotServed, RateLimited, ServiceUnavailable, SourceError
from crantdb.sources.seatable.literals import load

if TYPE_CHECKING:
    from crantdb.sources.classify import Answer

_SHOWN = 300
_SCHEMA = re.compile(r"no such (table|column)|table .* not found|column .* not (found|exist)", re.IGNORECASE)
_TOO_MUCH = re.compile(r"exceeds? the limit|number of cells|cost|too (many|large|much)", re.IGNORECASE)
_SECRET = re.compile(r"\b[0-9a-f]{40}\b|\beyJ[\w-]+\.[\w-]+\.[\w-]*")
_BUSY = frozenset({408, 500, 502, 503, 504})


class TokenRefused(AuthError):
    """The base token is refused: expired, revoked, or of another base."""


class SchemaMoved(BadResponse):
    """The server does not know a table or column that it named before."""


class TooMuch(BadResponse):
    """The answer would be larger than the server gives."""


def content_of(answer: Answer) -> Any:  # noqa: ANN401 - JSON is anything
    """Return the JSON of an answer that is what was asked, numbers as literals.

    Raises:
        TokenRefused, RateLimited, ServiceUnavailable, SchemaMoved, TooMuch, NotServed, BadResponse: as the
            answer says.
    """
    failure = _error_of(answer)
    if failure is not None:
        raise failure
    try:
        content = load(answer.body)
    except ValueError as error:
        msg = f"{answer.url} answered with something that is not JSON ({len(answer.body):,} bytes)"
        raise ServiceUnavailable(msg, url=answer.url, status=answer.status) from error
    if not isinstance(content, dict):
        msg = f"{answer.url} answered with JSON that is no object"
        raise ServiceUnavailable(msg, url=answer.url, status=answer.status)
    if content.get("success") is False:
        raise _refused(answer, str(content.get("error_message") or ""), ServiceUnavailable)
    return content


def _error_of(answer: Answer) -> SourceError | None:
    """Return the error that a status stands for."""
    status, url = answer.status, answer.url
    if status < 300:
        return None
    said = words(answer)
    if status < 400:
        return _redirect(answer)
    if status in {401, 403}:
        return TokenRefused(f"{url} refuses the token: {said}", url=url, status=status)
    if status == 429:
        return RateLimited(f"{url} asks for fewer requests", url=url, status=status)
    if status in _BUSY or status > 504:
        return ServiceUnavailable(f"{url} answered {status}: {said}", url=url, status=status)
    return _refused(answer, said, NotServed if status == 404 else BadResponse)


def _redirect(answer: Answer) -> SourceError:
    """A redirect: never followed, for a POST would lose its body, and the token may go elsewhere."""
    target = answer.header("location").split("?")[0] or "nowhere"
    msg = (
        f"{answer.url} redirects to {target}; that is never followed. "
        f"Write the server's own address (https://cloud.seatable.io for the cloud) in crantdb.toml"
    )
    return BadResponse(msg, url=answer.url, status=answer.status)


def _refused(answer: Answer, said: str, otherwise: type[SourceError]) -> SourceError:
    """Return the error of a request that the server understood and does not answer, by its words."""
    kind: type[SourceError] = otherwise
    if _SCHEMA.search(said):
        kind = SchemaMoved
    elif answer.status == 413 or _TOO_MUCH.search(said):
        kind = TooMuch
    return kind(f"{answer.url} says: {said or '(no words)'}", url=answer.url, status=answer.status)


def words(answer: Answer) -> str:
    """Return the telling part of a body in a few words."""
    content = answer.json()
    if isinstance(content, dict):
        found = next(
            (content[key] for key in ("error_message", "error_msg", "detail") if content.get(key)), None
        )
        return short(str(found or content))
    text = answer.body.decode("utf-8", "replace")
    title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    return short(title[1] if title else re.sub(r"<[^>]*>", " ", text)) or "(no words)"


def short(text: str) -> str:
    """Fold white space and fit a text into a line of a message."""
    folded = _SECRET.sub("[token]", " ".join(text.split()))
    return folded if len(folded) <= _SHOWN else f"{folded[:_SHOWN]} …"
