"""Tokens: both kinds, expiry and revocation on the way, and what is said when one is refused."""

from __future__ import annotations

import base64
import json

import pytest

from crantdb.errors import AuthError, NotServed, TooOld
from crantdb.sandbox.seatable import Fault, SeaTable
from crantdb.sources.classify import Answer
from crantdb.sources.seatable.answers import words
from crantdb.sources.seatable.keys import claims_of
from crantdb.sources.seatable.server import SeaTableServer, TokenKind
from crantdb.tokens import Token
from tests.conftest import CANARY
from tests.sources.seatable.serving import FAST, WORKSPACE, neurons, opened, read, same_as_truth, served

TEMPORARY = "temp-api-token"
ACCESS = "app-access-token"


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_revoked_between_pages_is_renewed_once(kind: TokenKind) -> None:
    """One renewal, through the way of the token's kind, and the table is whole."""
    base = neurons(900)
    with served(base) as server:
        server.fault(Fault("revoke_tokens", match="/sql", nth=4))
        same_as_truth(read(server, page_rows=200, kind=kind), base)
        renewals = 2 if kind is TokenKind.ACCOUNT else 0
        assert (server.log.count(TEMPORARY), server.log.count(ACCESS)) == (renewals, 2)


def test_a_reading_that_outlives_the_temporary_token() -> None:
    """An account's base outlives the hour of its temporary token: the renewal fetches a new one."""
    base = neurons(900)
    with served(base) as server:
        server.on(3, lambda: (server.clock.advance(7200), server.tokens.revoke_base_tokens()), match="/sql")
        same_as_truth(read(server, page_rows=200), base)
        assert server.log.count(TEMPORARY) == 2


@pytest.mark.parametrize("kind", TokenKind)
def test_a_token_about_to_expire_is_renewed_before_it_does(kind: TokenKind) -> None:
    """The base token says when it expires; no request is made with one that has."""
    base = neurons(600)
    with served(base, base_token_ttl=300) as server:
        server.on(3, lambda: server.clock.advance(280), match="/sql")
        same_as_truth(read(server, page_rows=200, kind=kind), base)
        assert not [entry for entry in server.log.entries() if entry.status == 403]
        assert server.log.count(ACCESS) == 2


def test_a_second_refusal_is_final() -> None:
    """A renewed token that is refused too ends the reading, and the message says what to do."""
    base = neurons(600)
    with served(base) as server:
        server.fault(Fault("revoke_tokens", match="/sql", nth=3, times=None))
        with pytest.raises(AuthError, match=r"also with a renewed base token.*make a new token") as caught:
            read(server, page_rows=200)
        assert server.log.count(ACCESS) == 2
    assert CANARY not in _all_words(caught.value)


def test_a_token_withdrawn_for_good() -> None:
    """An account that is shut out while a table is read ends the reading at the renewal."""
    base = neurons(600)
    with served(base) as server:
        server.on(3, lambda: (server.tokens.revoke(CANARY), server.tokens.revoke_base_tokens()), match="/sql")
        with pytest.raises(
            AuthError, match=r"refuses a token from the environment variable CRANTTABLE_TOKEN"
        ):
            read(server, page_rows=200)


@pytest.mark.parametrize(
    ("kind", "hint"), [(TokenKind.ACCOUNT, "SEATABLE_API_TOKEN"), (TokenKind.BASE, "CRANTTABLE_TOKEN")]
)
def test_a_wrong_token_says_what_it_was_taken_for(kind: TokenKind, hint: str) -> None:
    """The message names the kind the token was used as, and where the other kind goes; never the token."""
    wrong = "0123456789abcdef0123456789abcdef01234567"
    with served(neurons(1)) as server:
        source = SeaTableServer(server.url, Token(wrong, "a test"), kind=kind, limits=FAST)
        with pytest.raises(AuthError, match=hint) as caught:
            source.open_base(WORKSPACE, "CRANTb")
        assert server.log.gateway_calls() == 0
    assert wrong not in _all_words(caught.value)


def test_a_token_with_a_line_end_in_it() -> None:
    """A token that no header can carry is called that, not a failure of the server."""
    with served(neurons(1)) as server:
        source = SeaTableServer(server.url, Token("tok\nen", "a test"), kind=TokenKind.BASE, limits=FAST)
        with pytest.raises(AuthError, match="no HTTP header may carry"):
            source.open_base(WORKSPACE, "CRANTb")


@pytest.mark.parametrize("kind", TokenKind)
def test_a_base_that_is_not_there(kind: TokenKind) -> None:
    """A wrong name is said to be one, with the name; a base token's own base is named."""
    with served(neurons(1)) as server:
        source = SeaTableServer(server.url, Token(CANARY, "a test"), kind=kind, limits=FAST)
        with pytest.raises(NotServed, match=r"crantdb\.toml") as caught:
            source.open_base(WORKSPACE, "Süß & neu")
        assert "Süß & neu" in str(caught.value)
    assert CANARY not in _all_words(caught.value)


def test_a_base_whose_name_is_no_path() -> None:
    """Blanks, umlauts and percent signs in a base's name reach the server as they are."""
    base = neurons(5)
    base.name = "Süß 100 % neu"
    with served(base) as server:
        same_as_truth(read(server), base)


@pytest.mark.parametrize("version", ["4.3", "4.4", "5.0", "5.2"])
def test_a_server_that_is_too_old(version: str) -> None:
    """A server whose SQL would cut lists in silence is refused before anything is read."""
    with served(neurons(1), version=version) as server:
        with pytest.raises(TooOld, match=r"older than SeaTable 5\.3"):
            opened(server)
        assert server.log.gateway_calls() == 0


def test_words_of_a_server_hold_no_token() -> None:
    """A server that repeats tokens in its errors does not make us repeat them."""
    jwt = "eyJ0eXAiOiJKV1QifQ.eyJleHAiOjV9.c2lnbmF0dXJl-_x"
    hexed = "0123456789abcdef0123456789abcdef01234567"
    for body in (
        json.dumps({"error_msg": f"bad {jwt}, {hexed}."}),
        f"<title>{hexed} {jwt}</title>",
        f"{jwt} {hexed}",
    ):
        said = words(Answer(403, {}, body.encode(), "http://x"))
        assert "[token]" in said
        assert not {part for part in (jwt, hexed) if part in said}


def test_nothing_is_ever_written() -> None:
    """A full reading with a read-only token asks and never tells: GET, SELECT and query-links alone."""
    base = neurons(700)
    with served(base) as server:
        before = base.version
        read(server, page_rows=200, kind=TokenKind.BASE)
        assert opened(server, kind=TokenKind.BASE).permission == "r"
        telling = [entry for entry in server.log.entries() if not _asks(entry.method, entry.path, entry.body)]
    assert not telling
    assert base.version == before


def test_people_have_names() -> None:
    """The addresses in creator and collaborator cells can be read as names, at no gateway request."""
    with served(neurons(1)) as server:
        base = opened(server)
        assert base.users() == {"annotator@auth.local": "Annotator"}
        assert server.log.gateway_calls() == 0


def test_what_a_base_token_says_of_itself() -> None:
    """The claims are read without a key; text that is no token has none."""
    body = base64.urlsafe_b64encode(json.dumps({"exp": 5, "permission": "r"}).encode()).decode().rstrip("=")
    assert claims_of(f"x.{body}.y") == {"exp": 5, "permission": "r"}
    assert claims_of("x.y") == claims_of(None) == claims_of("a.b.c") == claims_of("x.W10.y") == {}


def test_a_server_that_is_not_there(unused: str) -> None:
    """An address where nobody listens is called that after the tries, without the token."""
    source = SeaTableServer(
        unused, Token(CANARY, "a test"), kind=TokenKind.BASE, limits=FAST, sleep=lambda _seconds: None
    )
    with pytest.raises(Exception, match="cannot be reached to authenticate") as caught:
        source.open_base(WORKSPACE, "CRANTb")
    assert CANARY not in _all_words(caught.value)


@pytest.fixture
def unused() -> str:
    """Return an address where nobody listens."""
    server = SeaTable(neurons(1))
    server.start()
    server.stop()
    return server.url


def _asks(method: str, path: str, body: str) -> bool:
    """Tell whether a request only asks."""
    if method == "GET":
        return True
    if path.rstrip("/").endswith("/sql"):
        return json.loads(body)["sql"].startswith("SELECT ")
    return path.rstrip("/").endswith("/query-links")


def _all_words(error: BaseException) -> str:
    """Return the words of an error and of all that led to it."""
    words = []
    seen: BaseException | None = error
    while seen is not None:
        words.append(f"{seen!r} {seen}")
        seen = seen.__cause__ or seen.__context__
    return " ".join(words)
