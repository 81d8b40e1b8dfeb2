"""Tokens: which are asked for where, how they die, and what each refusal looks like."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from crantdb.sandbox.seatable import Base, SeaTable, Table, User
from crantdb.sandbox.seatable.model import Column
from tests.sandbox.seatable.conftest import NOON, READER, TOKEN, WRITER, Asker, asker, people


def get(server: SeaTable, path: str, token: str | None = None, scheme: str = "Token") -> requests.Response:
    """Return the answer of a path of dtable-web."""
    headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
    return requests.get(server.url + path, headers=headers, timeout=30)


def payload(jwt: str) -> dict[str, Any]:
    """Return what a base token says of itself."""
    body = jwt.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


def test_what_a_base_token_comes_with(people_asker: Asker) -> None:
    """The recorded keys of 5.3 and later, and a token of three parts that says when it ends."""
    server = people_asker.server
    found = get(server, "/api/v2.1/dtable/app-access-token/", READER).json()
    assert set(found) == {
        *("app_name", "access_token", "dtable_uuid", "dtable_server", "dtable_name"),
        *("workspace_id", "use_api_gateway"),
    }
    assert (found["dtable_server"], found["use_api_gateway"]) == (f"{server.url}/api-gateway/", True)
    jwt = found["access_token"]
    assert len(jwt) > 400
    said = payload(jwt)
    assert said["exp"] == int(NOON.timestamp()) + 3 * 86_400
    assert (said["permission"], said["dtable_uuid"]) == ("r", server.bases[0].uuid)


@pytest.mark.parametrize(("version", "seconds"), [("6.2", 86_400), ("5.3", 3 * 86_400)])
def test_a_shorter_life_can_be_asked_for(serve: Callable[..., Asker], version: str, seconds: int) -> None:
    """`?exp=1d` is heard since 6.0."""
    server = serve(version=version).server
    found = get(server, "/api/v2.1/dtable/app-access-token/?exp=1d", READER).json()
    assert payload(found["access_token"])["exp"] == int(NOON.timestamp()) + seconds


def test_an_account_token_gets_a_base_token_too(people_asker: Asker) -> None:
    """The second endpoint gives only the token and the uuid."""
    server = people_asker.server
    found = get(server, "/api/v2.1/workspace/62919/dtable/CRANTb/access-token/", TOKEN).json()
    assert set(found) == {"access_token", "dtable_uuid"}
    assert Asker(server, found["access_token"]).rows("SELECT COUNT(*) AS n FROM people") == [{"n": 4}]


@pytest.mark.parametrize("scheme", ["Token", "token", "Bearer", "bearer", "BEARER"])
def test_both_schemes_in_any_case(people_asker: Asker, scheme: str) -> None:
    """`Token` and `Bearer` pass, however they are written."""
    assert (
        get(people_asker.server, "/api2/account/info/", TOKEN, scheme).json()["email"]
        == "annotator@auth.local"
    )
    assert people_asker.ask("GET", "/metadata/", headers={"Authorization": f"{scheme} {people_asker.jwt}"}).ok


@pytest.mark.parametrize(
    ("path", "none", "wrong"),
    [
        ("/api2/account/info/", 403, 401),
        ("/api/v2.1/workspaces/", 403, 401),
        ("/api/v2.1/workspace/62919/dtable/CRANTb/temp-api-token/", 403, 401),
        ("/api/v2.1/dtable/app-access-token/", 403, 403),
    ],
)
def test_the_matrix_of_refusals(people_asker: Asker, path: str, none: int, wrong: int) -> None:
    """Account endpoints: none 403, wrong 401; base endpoints: 403 both."""
    assert get(people_asker.server, path).status_code == none
    assert get(people_asker.server, path, "wrong").status_code == wrong


def test_the_gateway_knows_one_refusal(serve: Callable[..., Asker]) -> None:
    """Missing, garbage, an API token, another base's, an expired and a revoked token: 403 invalid token."""
    other = Base("Other", [Table("t", [Column("a")])], api_tokens={"other": "r"})
    base = people()
    server = SeaTable([base, other], token=TOKEN, clock=base.clock)
    with server:
        mine, theirs = asker(server, READER), asker(server, "other")
        refusals = [
            mine.ask("GET", "/metadata/", token=token) for token in ("", "garbage", READER, theirs.jwt)
        ]
        server.tokens.revoke_base_tokens()
        refusals.append(mine.ask("GET", "/metadata/"))
        mine = asker(server, READER)
        assert mine.ask("GET", "/metadata/").ok
        server.clock.advance(3 * 86_400)
        refusals.append(mine.ask("GET", "/metadata/"))
    assert {(r.status_code, r.text) for r in refusals} == {(403, '{"error_message":"invalid token"}')}
    assert all("x-ratelimit-remaining" in r.headers for r in refusals)


def test_a_revoked_api_token_gets_no_base_token(people_asker: Asker) -> None:
    """The base token in hand goes on, a new one is refused."""
    server = people_asker.server
    server.tokens.revoke(WRITER)
    assert people_asker.ask("GET", "/metadata/").ok
    refused = get(server, "/api/v2.1/dtable/app-access-token/", WRITER)
    assert (refused.status_code, refused.json()) == (403, {"error_msg": "Permission denied."})


def test_unknown_and_foreign_bases(people_asker: Asker) -> None:
    """A base that does not exist is a 404, one that is not shared a 403."""
    path = "/api/v2.1/workspace/62919/dtable/{}/temp-api-token/"
    missing = get(people_asker.server, path.format("Nowhere"), TOKEN)
    assert (missing.status_code, missing.json()) == (404, {"error_msg": "dtable Nowhere not found."})
    with SeaTable(people(), users=[User(account_token=TOKEN, bases=())]) as server:
        assert get(server, path.format("CRANTb"), TOKEN).status_code == 403
        assert get(server, "/api/v2.1/workspaces/", TOKEN).json()["workspace_list"][0]["table_list"] == []


def test_over_the_storage_quota_every_token_reads_only(people_asker: Asker) -> None:
    """The permission in the base token is silently lowered."""
    server = people_asker.server
    server.bases[0].over_quota = True
    lowered = asker(server, WRITER)
    assert payload(lowered.jwt)["permission"] == "r"
    assert lowered.ask("POST", "/rows/", json={"table_name": "people", "rows": [{}]}).status_code == 403


def test_without_a_token_of_its_own_a_server_takes_any(people_asker: Asker) -> None:
    """For the demo: any text passes for an account token, none at all does not."""
    with SeaTable(people()) as server:
        assert get(server, "/api2/account/info/", "whatever").ok
        assert get(server, "/api2/account/info/").status_code == 403


def test_the_log_holds_no_token(people_asker: Asker) -> None:
    """Labels only, and no password."""
    server = people_asker.server
    requests.post(
        f"{server.url}/api2/auth-token/",
        data={"username": "annotator@example.org", "password": "swordfish"},
        timeout=30,
    )
    get(server, "/api2/account/info/", TOKEN)
    people_asker.rows("SELECT name FROM people")
    said = repr(server.log.entries())
    for secret in (TOKEN, WRITER, "swordfish", people_asker.jwt):
        assert secret not in said
    assert {entry.token for entry in server.log.entries()} == {
        *("api:crantdb", "", "account:annotator@auth.local", "jwt#1")
    }


def test_ports_hold_two_servers_and_free_them() -> None:
    """A server that was stopped has closed its port, and a taken port is said to be taken."""
    first = SeaTable(people())
    first.start()
    port = int(first.url.rsplit(":", 1)[1])
    first.stop()
    with SeaTable(people(), port=port) as second:
        assert second.url.endswith(str(port))
