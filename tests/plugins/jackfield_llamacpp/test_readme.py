"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

import jackfield_llamacpp
from jackfield.testing.kits.scripted_gateway import ScriptedGateway
from jackfield_llamacpp import fields
from jackfield_llamacpp.config import LlamaCppConfig
from jackfield_llamacpp.frontend import LlamaCppFrontend

README = Path(jackfield_llamacpp.__file__).with_name("README.md").read_text()


def rows(begin: str) -> dict[str, str]:
    """Names and what is said of them, of the table under a heading that begins so."""
    section = README.split(f"\n## {begin}")[1].split("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))


def test_it_lists_the_options() -> None:
    """Each with its default."""
    defaults = {name: msgspec.json.decode(text.split(" | ")[0].strip("`")) for name, text in rows("Options").items()}
    assert defaults == msgspec.to_builtins(LlamaCppConfig())


def test_it_lists_the_fields() -> None:
    """Whether each is honoured, and whether it only tunes."""
    said = rows("Fields")
    honoured = fields.COMPLETION_HONOURED | fields.INFILL_HONOURED
    assert said.keys() == honoured | fields.COMPLETION.keys()
    for name, text in said.items():
        assert text.startswith("honoured") == (name in honoured), name
        if name in fields.COMPLETION:
            assert ("(tunes)" in text) == fields.COMPLETION[name].tunes, name


def test_it_lists_the_routes() -> None:
    """All paths."""
    table = README.split("| Path | What |")[1].split("\n\n")[0]
    said = {path.replace("{id}", "{id_slot}") for path in re.findall(r"(/[\w/{}-]+)(?=[`?])", table)}
    assert said == {route.path for route in LlamaCppFrontend(ScriptedGateway(), LlamaCppConfig()).routes()}
