"""The README says what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import jackfield_guardrails
from jackfield_guardrails import rules

README = (Path(jackfield_guardrails.__file__).parent / "README.md").read_text("utf-8")


@pytest.mark.parametrize("rule", get_args(rules.AnyRule))
def test_every_option_of_every_kind_is_there(rule: type[msgspec.Struct]) -> None:
    """By its name; so is the kind."""
    missing = [field.name for field in msgspec.structs.fields(rule) if f"`{field.name}`" not in README]
    assert not missing
    assert re.search(rf"^### .*`{rule.__struct_config__.tag}`", README, re.MULTILINE)


@pytest.mark.parametrize("choice", [*get_args(rules.Entity), *get_args(rules.Language)])
def test_every_choice_is_there(choice: str) -> None:
    """Entities and languages."""
    assert f"`{choice}`" in README
