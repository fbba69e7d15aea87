"""What looks like a credential does not get into a log line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.redaction import redact

KEY = "jf_0xcdLunfpJ16DDqLRpkfKGwUQgfO5rofCd8zRvHOx3k16sFCo"


@pytest.mark.parametrize(
    ("line", "redacted"),
    [
        (f"Authorization: Bearer {KEY}", "Authorization: ***"),
        (f"authorization=Basic {KEY}, next", "authorization=***, next"),
        ("headers {'Authorization': 'Bearer abc', 'x': 'y'}", "headers {'Authorization': '***', 'x': 'y'}"),
        ("sent bearer abcdefgh12345678.", "sent bearer ***"),
        (f"unknown key {KEY}!", "unknown key jf_***!"),
        ("GET /v1/models?api_key=hunter22&x=1", "GET /v1/models?api_key=***&x=1"),
        ("X-API-KEY: hunter22", "X-API-KEY: ***"),
        ('{"password": "hunter22", "user": "ann"}', '{"password": "***", "user": "ann"}'),
        ("client_secret=hunter22", "client_secret=***"),
        ("postgres://ann:hunter22@db/jackfield", "postgres://***@db/jackfield"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_1 is late", "token *** is late"),
        ("sk-proj-abcdefghijkl1234", "sk-***"),
        ("hf_abcdefghijklmnop1234", "hf_***"),
    ],
)
def test_credentials(line: str, redacted: str) -> None:
    """Headers, fields, keys that say what they are, tokens, addresses."""
    assert redact(line.encode()).decode() == redacted


@pytest.mark.parametrize(
    "line",
    [
        "prompt_tokens=12 completion_tokens=13",
        "the bearer of news",
        "basic authentication is off",
        "api: http://127.0.0.1:8080",
        "https://host:80/a@b",
        '{"code":"missing_api_key","status":401}',
        "no secrets here",
    ],
)
def test_what_is_no_credential(line: str) -> None:
    """Stays as it is."""
    assert redact(line.encode()).decode() == line


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.just(f"Bearer {KEY}"), st.just(f'{{"password": "{KEY}"}}'))))
def test_json_stays_json(event: dict[str, str]) -> None:
    """Whatever stands in it; and the key is gone."""
    line = redact(json.dumps(event).encode())
    json.loads(line)
    assert KEY.encode() not in line


@given(st.binary())
def test_any_bytes(line: bytes) -> None:
    """Are no error."""
    redact(line)
