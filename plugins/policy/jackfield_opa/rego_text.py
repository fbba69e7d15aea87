"""What can be told from the text of Rego modules, where rego-cpp's compiler looks away.

It compiles calls of functions that nobody defines, crashes on tests that replace the whole input of rules which use
other rules, and knows nothing of what we demand of policies.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from jackfield.errors import ManifestError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_QUOTED: Final = r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|#[^\n]*'
_NOT_CODE: Final = re.compile(_QUOTED)
_PACKAGE: Final = re.compile(r"^\s*package\s+([\w.]+)", re.MULTILINE)
_DEFAULT: Final = re.compile(r"^\s*default\s+allow\s*:?=\s*(\w+)", re.MULTILINE)
_CALL: Final = re.compile(r"(?<![\w.])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\(")
_FUNCTION: Final = re.compile(r"^[ \t]*(?:default[ \t]+)?([A-Za-z_][\w.]*)\(", re.MULTILINE)
_RULE: Final = re.compile(r"^(?:default[ \t]+)?([A-Za-z_]\w*)(?![\w.]*\()", re.MULTILINE)
_TEST: Final = re.compile(r"^(test_\w+)(?!\w*\()", re.MULTILINE)
_REFERENCE: Final = r"[A-Za-z_]\w*(?:\.\w+|\[(?:\w+|\"[^\"\n]*\")\])*"
_REPLACED: Final = re.compile(rf"{_QUOTED}|(?P<with>\bwith\s+{_REFERENCE}\s+as\s+)(?P<value>{_REFERENCE})(?![\w(.\[])")
_INPUT: Final = re.compile(rf"{_QUOTED}|(?<![\w.])input\b")
_FORBIDDEN: Final = re.compile(r"\bopa\s*[.\[]|\bhttp\s*\.\s*send\b|\bnet\s*\.\s*lookup_ip_addr\b")
_KEYWORDS: Final = frozenset(
    {"as", "contains", "default", "else", "every", "if", "import", "in", "not", "package", "some", "with"}
)

_CONSTANTS: Final = frozenset({"true", "false", "null"})
_IDENTITY_PACKAGE: Final = "jackfield_rehearsal"

IDENTITY: Final = f"package {_IDENTITY_PACKAGE}\n\nsame(value) := value\n"
"""A module that tests need besides; see ``with_movable_input``."""

TEST_INPUT: Final = "given"
"""The field of the input under which tests put theirs; see ``with_movable_input``."""


def code(text: str) -> str:
    """*text* with nothing in its strings, and without comments; lines stay where they are."""
    return _NOT_CODE.sub(lambda found: "" if found[0][0] == "#" else '""' + "\n" * found[0].count("\n"), text)


def package_of(text: str) -> str:
    """The package of a module; empty if it has none."""
    found = _PACKAGE.search(code(text))
    return found[1] if found else ""


def check_default(modules: Mapping[str, str], decision: str) -> None:
    """Whether the package of *decision* says no where no rule says yes.

    Raises:
        ManifestError: It does not.
    """
    package, _, rule = decision.rpartition(".")
    texts = [text for text in modules.values() if package_of(text) == package]
    if {value for text in texts for value in _DEFAULT.findall(code(text))} != {"false"}:
        raise ManifestError(f"the package {package} must declare: default allow := false")
    if any(found["open"] is not None for text in texts for found in _defaults_of(rule, text)):
        raise ManifestError(f'the default of {decision} must be false, or an object with "allow": false')


def _defaults_of(rule: str, text: str) -> Iterable[re.Match[str]]:
    """Defaults of *rule* in a module; ``open`` is there in those that are not seen to say no."""
    without_comments = _NOT_CODE.sub(lambda found: "" if found[0][0] == "#" else found[0], text)
    no = r'(?:false\b|\{[^{}]*"allow"\s*:\s*false\b)'
    return re.finditer(rf"^\s*default\s+{rule}\s*:?=\s*(?:{no}|(?P<open>))", without_comments, re.MULTILINE)


def check_forbidden(modules: Mapping[str, str]) -> None:
    """Whether a module asks for what no policy needs: the process it runs in, or the network.

    Raises:
        ManifestError: One does; the message names it.
    """
    for name, text in modules.items():
        if found := _FORBIDDEN.search(code(text)):
            line = code(text)[: found.start()].count("\n") + 1
            raise ManifestError(f"{name}:{line}: policies must not use opa.runtime, http.send or net.lookup_ip_addr")


def unknown_calls(modules: Iterable[str]) -> list[str]:
    """Functions that are called and not defined in *modules*: they must be built in."""
    texts = [code(text) for text in modules]
    defined = {name.rpartition(".")[2] for text in texts for name in _FUNCTION.findall(text)}
    called = {name for text in texts for name in _CALL.findall(text)}
    return sorted(name for name in called - _KEYWORDS if name.rpartition(".")[2] not in defined)


def rules_of(text: str) -> Sequence[str]:
    """Names of the rules of a module that have a value of their own: no functions."""
    return sorted(set(_RULE.findall(code(text))) - _KEYWORDS)


def own_tests(text: str) -> Sequence[str]:
    """Names of the tests of a module."""
    return list(dict.fromkeys(_TEST.findall(code(text))))


def with_movable_input(text: str) -> str:
    """*text* that reads ``input.given`` instead of ``input``, and replaces it with values, not with rules.

    rego-cpp 1.5 ends its process on ``with input as …`` where the rule uses another rule that uses the input, and does
    well with ``with input.given as …``. Where the value is a rule's name it replaces nothing; the value of a function
    is one, so ``IDENTITY`` is around it. Nothing else is different for the tests of a module.
    """
    valued = _REPLACED.sub(_with_value, text)
    return _INPUT.sub(lambda found: f"input.{TEST_INPUT}" if found[0] == "input" else found[0], valued)


def _with_value(found: re.Match[str]) -> str:
    value = found["value"]
    if value is None or value in _CONSTANTS:
        return found[0]
    return f"{found['with']}data.{_IDENTITY_PACKAGE}.same({value})"
