"""Every recorded failure of the real servers becomes the error it should be; every recorded good answer becomes none.

The table was written by reading each body, not by running the code.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from crantdb.errors import (
    AuthError,
    BadResponse,
    NotServed,
    RateLimited,
    ReferenceNotLoaded,
    ServiceUnavailable,
    SourceError,
    TermsNotAccepted,
    TransientError,
    Unreadable,
    VersionUnavailable,
)
from crantdb.sources.classify import Answer, error_of

from .test_decode import LEGACY, Recording, recording, recordings

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.usefixtures("shared")

# Recording → the error it stands for, and words that its message must have.
FAILURES: Mapping[str, tuple[type[SourceError], str]] = MappingProxyType(
    {
        # The gate: redirects to a login, and refusals with their true status.
        "0001_auth_no_header_redirect": (AuthError, "CAVE_TOKEN"),
        "0002_auth_no_token_xrw": (AuthError, "No Token Provided"),
        "0003_auth_bad_scheme": (AuthError, "must begin with 'Bearer'"),
        "0004_auth_invalid_token": (AuthError, "Invalid or Expired"),
        "0005_auth_no_permission": (AuthError, "view for dataset crantb. Ask the owner"),
        "0006_auth_missing_tos": (TermsNotAccepted, "/sticky_auth/api/v1/tos/9/accept"),
        "0009_auth_query_token": (BadResponse, "redirects to http://127.0.0.1:28090"),
        "0020_auth_client_expired": (AuthError, "Invalid or Expired"),
        "0023_auth_client_noperm": (AuthError, "view for dataset crantb"),
        "0026_auth_client_none": (AuthError, "Invalid or Expired"),
        # The rate limit, which comes as a 500.
        "0013_auth_rate_limit_3": (RateLimited, "3 per 1 minute"),
        "0014_auth_rate_limit_4": (RateLimited, "3 per 1 minute"),
        # No such datastack, schema, version, table, view, address.
        "0007_info_missing_datastack": (NotServed, "/info/api/v2/datastack/full/nope"),
        "0015_schema_missing": (NotServed, "/schema/api/v2/type/nope"),
        "0023_anno_meta_missing": (NotServed, "'NoneType' object has no attribute 'get'"),
        "0050_mat_version_metadata_v99": (NotServed, "No version found"),
        "0051_mat_tables_v99": (NotServed, "version 99 does not exist"),
        "0066_mat_table_metadata_empty_table": (NotServed, "empty_table"),
        "0067_mat_count_empty_table": (NotServed, "'empty_table' not found for version 3"),
        "0068_mat_table_metadata_zzz": (NotServed, "zzz"),
        "0069_mat_count_zzz": (NotServed, "'zzz' not found for version 3"),
        "0072_mat_tables_metadata_v6": (NotServed, "version/6/tables/metadata"),
        "0073_mat_tables_metadata_v99": (NotServed, "version 99 not found"),
        "0075_mat_unique_strings_missing": (NotServed, "No table named 'zzz'"),
        "0084_q_syn_v5_unavailable": (NotServed, "not found for version 5"),
        "0085_q_syn_v6_unavailable": (NotServed, "not found for version 6"),
        "0086_q_syn_v99_unavailable": (NotServed, "version 99 not found"),
        "0143_q_bound_tags_user_v3_gone": (NotServed, "bound_tags_user"),
        "0176_q_empty_table_404": (NotServed, "empty_table"),
        "0177_q_missing_table": (NotServed, "'zzz' not found for version 3"),
        "0196_view_missing": (NotServed, "No row was found"),
        "0293_raw_404_route": (NotServed, "404 Not Found"),
        "0295_raw_unknown_datastack": (NotServed, "/info/api/v2/datastack/full/nope"),
        "0296_raw_unknown_datastack": (NotServed, "datastack nope info not returned 404"),
        "0297_raw_v3_tables_v1_empty404": (NotServed, "version/1/tables"),
        "0300_raw_health": (NotServed, "404 Not Found"),
        "0397_virt_query_table_not_in_virtual": (NotServed, "'nuclei_v1' not found for version 3"),
        # A version whose database was dropped.
        "0361_p_frozen_db_dropped_0": (VersionUnavailable, 'relation "synapses_v2" does not exist'),
        "0362_p_frozen_db_dropped_1": (VersionUnavailable, 'relation "synapses_v2" does not exist'),
        "0363_p_frozen_db_dropped_2": (VersionUnavailable, 'relation "synapses_v2" does not exist'),
        "0364_p_frozen_db_dropped_count": (VersionUnavailable, "the version expired"),
        # One table that cannot be read; a worker that has not met the table referred to.
        "0173_q_private_401as500": (Unreadable, "can only be read by its owner"),
        "0156_q_nuc_cell_type_ref_nomerge": (ReferenceNotLoaded, "could not find table 'nuclei_v1'"),
        "0162_q_ref_points_nomerge": (ReferenceNotLoaded, "could not find table 'nuclei_v1'"),
        # The database or the server stumbled: another try may not see it.
        "0175_q_notice_unicode_500": (ServiceUnavailable, "Internal Server Error"),
        "0307_p_equal_None_is_null": (ServiceUnavailable, "Can't reconnect until invalid transaction"),
        "0308_p_v4_equal_None": (ServiceUnavailable, "Can't reconnect until invalid transaction"),
        "0309_p_in_empty": (ServiceUnavailable, "Can't reconnect until invalid transaction"),
        "0310_p_in_with_null": (ServiceUnavailable, "Can't reconnect until invalid transaction"),
        "0354_p_views_manager": (ServiceUnavailable, "Can't reconnect until invalid transaction"),
        # Requests that the server does not understand: trying again would not help.
        "0020_anno_get": (BadResponse, "No annotation with [1, 14, 20] exists"),
        "0103_q_syn_spatial_bad": (BadResponse, "must be less than max bounds"),
        "0106_q_syn_resolution_bad": (BadResponse, "Length must be 3"),
        "0108_q_syn_select_single_500": (BadResponse, "'BigInteger' object has no attribute 'id'"),
        "0109_q_syn_select_bad_500": (BadResponse, "nope not in model"),
        "0110_q_syn_filter_badcol_500": (BadResponse, "'nope'"),
        "0145_q_tags_regex_bad_500": (BadResponse, "parentheses () not balanced"),
        "0146_q_regex_on_int_500": (BadResponse, "only supported on string columns"),
        "0221_live_live_query_bad_root_400": (BadResponse, "not valid at the query timestamp"),
        "0222_live_live_query_allow_missing": (BadResponse, "2 annotations that need supervoxel lookups"),
        "0261_cg_tabular": (BadResponse, "No AUTH_URL defined"),
        "0277_l2_bad_attr_500": (BadResponse, "'nope'"),
        "0287_raw_bad_json": (BadResponse, "could not understand"),
        "0288_raw_unknown_field": (BadResponse, "filter_out_dict"),
        "0290_raw_limit_neg": (BadResponse, "LIMIT must not be negative"),
    }
)

TRANSIENT = frozenset(
    {
        "0013_auth_rate_limit_3",
        "0014_auth_rate_limit_4",
        "0156_q_nuc_cell_type_ref_nomerge",
        "0162_q_ref_points_nomerge",
        "0175_q_notice_unicode_500",
        "0307_p_equal_None_is_null",
        "0308_p_v4_equal_None",
        "0309_p_in_empty",
        "0310_p_in_with_null",
        "0354_p_views_manager",
    }
)
"""Those of which a later try may see nothing: no other recorded failure is tried again."""


def _failed(item: Recording) -> bool:
    """Tell whether the server answered anything but what was asked."""
    return int(item.meta["status"]) >= 300


def test_the_table_names_every_recorded_failure_and_no_other() -> None:
    """Each recorded status of 300 and above stands in the table; nothing else does."""
    assert {item.name for item in recordings() if _failed(item)} == set(FAILURES)


@pytest.mark.parametrize("name", FAILURES)
def test_a_recorded_failure_becomes_the_error_it_stands_for(name: str) -> None:
    """The class is exactly the table's, the message has the telling words, on one line of bounded length."""
    kind, words = FAILURES[name]
    answer = recording(name).answer
    error = error_of(answer)
    assert type(error) is kind
    assert words in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 700
    assert error is not None
    assert (error.url, error.status) == (answer.url, answer.status)


def test_exactly_these_recorded_failures_are_tried_again() -> None:
    """The transient ones are those of the list: rate limits, workers not warmed up, a stumbling database."""
    found = {
        item.name
        for item in recordings()
        if _failed(item) and isinstance(error_of(item.answer), TransientError)
    }
    assert found == TRANSIENT


def test_no_recorded_good_answer_is_taken_for_a_failure() -> None:
    """All recordings with a status below 300 are no error: JSON, Arrow, and ids as bytes in a 'text/html' body."""
    good = [item for item in recordings() if not _failed(item)]
    assert [item.name for item in good if error_of(item.answer) is not None] == []
    kinds = {kind: sum(item.kind == kind for item in good) for kind in {item.kind for item in good}}
    assert kinds == {"application/json": 237, "data.arrow": 106, "text/html": 15}


def test_every_recording_is_covered_or_left_out_with_a_reason() -> None:
    """No recording is in neither list; the number of each is printed."""
    reasons: dict[str, str] = {}
    covered = 0
    for item in recordings():
        if _failed(item) and item.name in FAILURES:
            covered += 1
        elif item.is_arrow():
            covered += 1  # decoded in test_decode, the legacy one refused there
        elif item.kind == "application/json":
            assert json.loads(item.answer.body) is not None or item.answer.body.strip() == b"null"
            covered += 1
        elif item.meta["path"].endswith(("roots_binary", "minimal_covering_nodes")):
            reasons[item.name] = (
                "ids as raw bytes: no client of ours asks for them yet; checked to be no error"
            )
    neither = {item.name for item in recordings()} - set(reasons)
    print(f"\nCAVE recordings: {covered} covered, {len(reasons)} not:")
    for reason in sorted(set(reasons.values())):
        print(f"  {sum(r == reason for r in reasons.values())} {reason}")
    assert len(neither) == covered, "a recording is in neither list"
    assert LEGACY in neither


# --- beyond the recordings: what proxies and odd servers do ------------------------------------------------


def _answer(status: int, body: bytes, **headers: str) -> Answer:
    """Return an answer made up."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, "http://cave.example/x")


@pytest.mark.parametrize("status", [502, 503, 504, 520])
def test_a_gateway_failure_is_transient(status: int) -> None:
    """What a gateway answers in the place of a server that is away is tried again."""
    page = b"<html><head><title>Bad Gateway</title></head></html>"
    error = error_of(_answer(status, page, content_type="text/html"))
    assert type(error) is ServiceUnavailable
    assert f"answered {status}: Bad Gateway" in str(error)


@pytest.mark.parametrize(
    ("written", "seconds"), [("3", 3.0), ("0.5", 0.5), ("Sat, 21 Nov 2026 07:11:35 GMT", None), ("", None)]
)
def test_retry_after_is_read_when_it_is_a_number(written: str, seconds: float | None) -> None:
    """A 429 carries the seconds it asks for; a date is left to our own backoff."""
    error = error_of(_answer(429, b"slow down", retry_after=written))
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == seconds


def test_a_page_with_200_is_a_failure() -> None:
    """A login form or maintenance notice with status 200 is no answer, and may be gone at the next try."""
    error = error_of(_answer(200, b"\n <!doctype html><title>Sign in</title>", content_type="text/html"))
    assert type(error) is ServiceUnavailable
    assert "Sign in" in str(error)


@pytest.mark.parametrize("first", [b"<", b" <", b"\n\t<\x00"])
def test_bytes_that_begin_like_a_page_are_no_page(first: bytes) -> None:
    """Ids as bytes come as 'text/html': one whose lowest byte is '<' is still an id."""
    body = first + bytes(range(16))
    assert error_of(_answer(200, body, content_type="text/html; charset=utf-8")) is None


def test_a_long_message_keeps_its_end() -> None:
    """A database's refusal names its reason behind the statement: the middle is left out, not the end."""
    text = "Execution failed on sql 'SELECT " + "x, " * 500 + "': integer out of range"
    error = error_of(_answer(500, json.dumps({"code": 500, "message": text}).encode()))
    assert type(error) is BadResponse
    assert "Execution failed on sql" in str(error)
    assert str(error).endswith("integer out of range")
