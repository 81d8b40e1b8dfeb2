"""crantdb.toml is read whole or refused with every mistake named; a token is found in order and never shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crantdb.config import (
    CaveSettings,
    Config,
    SeaTableSettings,
    check_server,
    config_text,
    profiles,
    read_config,
)
from crantdb.errors import ConfigError
from crantdb.tokens import Token, cave_token, seatable_token

SERVER = "https://cave.example.org"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a test writes its crantdb.toml."""
    return tmp_path / "crantdb.toml"


def secrets(home: Path, name: str, content: str) -> None:
    """Write one of caveclient's files."""
    folder = home / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)


def test_every_mistake_of_a_file_is_named_at_once(path: Path) -> None:
    """Unknown names, wrong types, numbers out of bounds, a bad address and what is missing come in one message."""
    path.write_text(
        "sevrer = 'https://x.org'\nserver = 'ftp://x.org'\n"
        "[cave]\nparralel = 2\nparallel = 9\ntimeout_s = 'long'\ntables = 'synapses'\ntries = true\nchunk_rows = 0\n"
        "patience_s = nan\nexclude = [1]\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    said = str(caught.value)
    wanted = [
        str(path),
        "sevrer is unknown (did you mean server?)",
        "server must start with https:// or http://, not 'ftp://x.org'",
        "cave.parralel is unknown (did you mean cave.parallel?)",
        "cave.parallel must be a whole number from 1 to 8, not 9",
        "cave.timeout_s must be a number from 0.1 to 3600, not 'long'",
        "cave.tables must be a list of names, not 'synapses'",
        "cave.tries must be a whole number from 1 to 50, not True",
        "cave.chunk_rows must be a whole number from 1 to 10000000, not 0",
        "cave.patience_s must be a number from 0 to 86400, not nan",
        "cave.exclude must be a list of names, not [1]",
        "datastack is missing",
    ]
    assert [part for part in wanted if part not in said] == []


def test_a_name_like_no_other_gets_no_suggestion(path: Path) -> None:
    """Did-you-mean is said only when something is near."""
    path.write_text("datastack = 'kronauer_ant'\nqqqq = 1\n")
    with pytest.raises(ConfigError, match=r"qqqq is unknown$"):
        read_config(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"datastack = ", "is not valid TOML"),
        (b"datastack = '\xff'", "is not valid TOML"),
        (b"datastack = 'kronauer_ant'\ncave = 3\n", "cave must be a section"),
        (b"datastack = '  '\nserver = 'https://x.org'\n", "datastack must be a text, not '  '"),
        (b"datastack = 'other'\n", "server is missing, and the datastack is not one that crantdb knows"),
    ],
)
def test_a_file_that_says_nothing_is_refused(path: Path, content: bytes, said: str) -> None:
    """What is no TOML, no section, blank or not enough is a stated failure with the path in it."""
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_a_stated_failure(path: Path) -> None:
    """A missing crantdb.toml is a ConfigError with the path, not a traceback."""
    with pytest.raises(ConfigError, match=r"crantdb\.toml cannot be read"):
        read_config(path)


def test_what_is_written_is_what_is_read(path: Path) -> None:
    """A complete file gives each of its values; what it leaves out has its default."""
    path.write_text(
        f"datastack = 'mine'\nserver = '{SERVER}/'\n[cave]\ntables = ['a', 'b']\nexclude = ['c']\n"
        "parallel = 3\ntimeout_s = 2\nchunk_rows = 5\ntries = 1\npatience_s = 0\n"
    )
    cave = CaveSettings(
        tables=("a", "b"), exclude=("c",), parallel=3, timeout_s=2.0, chunk_rows=5, tries=1, patience_s=0.0
    )
    assert read_config(path) == Config("mine", SERVER, cave)
    path.write_text("datastack = 'kronauer_ant'\n")
    assert read_config(path) == Config("kronauer_ant", profiles()["kronauer_ant"].server)


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip))
def test_a_new_file_reads_back(tmp_path_factory: pytest.TempPathFactory, datastack: str) -> None:
    """`config_text` of any datastack's name is TOML that reads back as that name."""
    path = tmp_path_factory.mktemp("new") / "crantdb.toml"
    path.write_text(config_text(datastack, SERVER, parallel=4), "utf-8")
    found = read_config(path)
    assert (found.datastack, found.server, found.cave.parallel) == (datastack, SERVER, 4)


def test_a_datastack_that_nobody_knows_needs_a_server() -> None:
    """`config_text` without a server knows the built-in datastacks and names them for any other."""
    assert profiles()["kronauer_ant"].server in config_text("kronauer_ant", None)
    with pytest.raises(ConfigError, match=r"'mine'.*kronauer_ant.*--cave-server"):
        config_text("mine", None)


@pytest.mark.parametrize(
    "address",
    [
        "https://jane:hunter2@x.org",
        "https://:hunter2@x.org",
        "jane:hunter2@x.org",
        "ftp://jane:hunter2@x.org",
        "https://x.org/?middle_auth_token=hunter2",
    ],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(path: Path, address: str) -> None:
    """A name, a password or a query in a server's address is refused, and the message does not show it."""
    path.write_text(f"datastack = 'mine'\nserver = '{address}'\n")
    for ask in (lambda: check_server(address), lambda: read_config(path)):
        with pytest.raises(ConfigError, match="must not carry") as caught:
            ask()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", ["", "x.org", "https://", "file:///etc/passwd", "http://[x"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """Only http and https addresses with a host pass."""
    with pytest.raises(ConfigError, match="the server's address"):
        check_server(address)


def test_an_address_loses_its_trailing_slash_and_blanks() -> None:
    """One server has one spelling, so that one staging and one datastack stay one."""
    assert check_server(" https://x.org:8080/sub/ ") == "https://x.org:8080/sub"


def test_a_token_is_looked_for_in_order(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CAVE_TOKEN comes before the host's own file, that before cave-secret.json; without any there is none."""
    assert cave_token(SERVER) is None
    found = []
    secrets(own_home, "other.example.org-cave-secret.json", '{"token": "other"}')
    secrets(own_home, "cave-secret.json", '{"token": "shared\\n"}')
    found.append(cave_token(SERVER))
    secrets(own_home, "cave.example.org-cave-secret.json", '{"token": "own"}')
    found.append(cave_token(SERVER))
    monkeypatch.setenv("CAVE_TOKEN", " set\n")
    found.append(cave_token(SERVER))
    monkeypatch.setenv("CAVE_TOKEN", "  ")
    found.append(cave_token(SERVER))
    assert [token and token.value for token in found] == ["shared", "own", "set", "own"]
    assert [str(token) for token in found[:3]] == [
        "a token from ~/.cloudvolume/secrets/cave-secret.json",
        "a token from ~/.cloudvolume/secrets/cave.example.org-cave-secret.json",
        "a token from the environment variable CAVE_TOKEN",
    ]


@pytest.mark.parametrize(
    "content",
    ["", "token", "{}", '"x"', "[]", "null", '{"token": null}', '{"token": ""}', '{"token": 7}'],
)
def test_a_secrets_file_without_a_token_is_a_stated_failure(own_home: Path, content: str) -> None:
    """A file that is there but holds no token is named; it is not passed over, nor is 'None' sent as a token."""
    secrets(own_home, "cave-secret.json", content)
    with pytest.raises(ConfigError, match=r"cave-secret\.json holds no token"):
        cave_token(SERVER)


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8))
def test_a_token_is_never_shown(value: str) -> None:
    """repr, str, every way of formatting, and the same inside a container or an error: none shows the value."""
    token = Token("secret-" + value, "somewhere")
    shown = [repr(token), str(token), f"{token}", f"{token!r}", f"{token!s:>50}", "%s %r" % (token, token)]  # noqa: UP031
    shown += [
        repr([token]),
        repr({"t": (token,)}),
        str(ConfigError(token)),
        json.dumps({"t": token}, default=str),
    ]
    assert all("secret-" + value not in text and "somewhere" in text for text in shown)


def test_a_seatable_token_is_an_accounts_or_a_bases(monkeypatch: pytest.MonkeyPatch) -> None:
    """CRANTTABLE_TOKEN, an account's, comes before SEATABLE_API_TOKEN, a base's own; blanks are none."""
    assert seatable_token() is None
    monkeypatch.setenv("SEATABLE_API_TOKEN", " of-a-base ")
    monkeypatch.setenv("CRANTTABLE_TOKEN", " ")
    found = [seatable_token()]
    monkeypatch.setenv("CRANTTABLE_TOKEN", "of-an-account")
    found.append(seatable_token())
    assert [pair and (pair[0].value, pair[1]) for pair in found] == [
        ("of-a-base", "base"),
        ("of-an-account", "account"),
    ]


def test_the_section_seatable_of_crantb_needs_no_line(path: Path) -> None:
    """CRANTb's server, workspace, base and table are built in; what is given stands; others must say all three."""
    path.write_text("datastack = 'kronauer_ant'\n[seatable]\nmax_requests = 50\n")
    found = read_config(path).seatable
    assert found == SeaTableSettings(
        "https://cloud.seatable.io", 62919, ("CRANTb",), ("CRANTb_meta",), max_requests=50
    )
    path.write_text(
        "datastack = 'kronauer_ant'\n[seatable]\nserver = 'http://x.org/'\nworkspace = 3\nbase = 'b'\n"
    )
    assert read_config(path).seatable == SeaTableSettings("http://x.org", 3, ("b",), None)
    path.write_text(
        "datastack = 'bees'\nserver = 'http://x.org'\n[seatable]\nworkspace = 'a'\ntables = []\nbases = ['b']\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    for wanted in (
        "seatable.workspace must be a whole number from 1",
        "seatable.tables must name at least one",
        "seatable.server is missing",
    ):
        assert wanted in str(caught.value)


@pytest.mark.parametrize("wanted", [None, SeaTableSettings("http://x.org", 7, ('a "b"', "c"), ("t",))])
def test_the_text_of_a_new_file_says_seatable_as_wanted(path: Path, wanted: SeaTableSettings | None) -> None:
    """What `init` writes reads as what was asked for, with and without SeaTable."""
    path.write_text(config_text("kronauer_ant", None, seatable=wanted))
    assert read_config(path).seatable == wanted
