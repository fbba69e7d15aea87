"""What is told from the text of modules: whether they say no by default."""

from __future__ import annotations

import pytest

from jackfield.errors import ManifestError
from jackfield_opa.rego_text import check_default

HEAD = "package jackfield\n\ndefault allow := false\n\n"


@pytest.mark.parametrize(
    "module",
    [
        "default decision := false",
        "default decision = false",
        'default decision := {"allow": false}',
        'default decision := {\n\t# why not\n\t"reasons": ["no"],\n\t"allow" : false,\n}',
        "# default decision := true\ndecision := allow",
        'x := "\\ndefault decision := true"',
        "default decisions := true",
    ],
)
def test_a_default_that_says_no_may_stand_there(module: str) -> None:
    """Or none: what is undefined is a denial."""
    check_default({"a.rego": HEAD + module}, "jackfield.decision")


@pytest.mark.parametrize(
    "module",
    [
        "default decision := true",
        "default  decision=true",
        "default decision :=\n\ttrue",
        'default decision := {"allow": true}',
        'default decision := {"reasons": ["allow: false"], "allow": true}',
        'default decision := {"allow": true, "x": {"allow": false}}',
        'default decision := {"reasons": []}',
    ],
)
def test_no_default_of_the_decision_allows(module: str) -> None:
    """However it is written, and in whichever file of the package."""
    with pytest.raises(ManifestError, match="must be false, or an object"):
        check_default({"a.rego": HEAD, "b.rego": f"package jackfield\n{module}\n"}, "jackfield.decision")
    check_default({"a.rego": HEAD, "b.rego": f"package other\n{module}\n"}, "jackfield.decision")


@pytest.mark.parametrize("module", ["", "default allow := true", "default allow := false\ndefault allow := true"])
def test_allow_is_false_by_default(module: str) -> None:
    """Once, and nothing else."""
    with pytest.raises(ManifestError, match="must declare: default allow"):
        check_default({"a.rego": f"package jackfield\n{module}\n"}, "jackfield.decision")
