"""What refuses to start because of a plugin: each error names the plugin, where it is asked for, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from jackfield import build_kernel
from jackfield.errors import JackfieldError
from jackfield.manifest import DEFAULT_DIALECTS, DEFAULT_SECRETS
from jackfield.manifest_layers import load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jackfield import Kernel

DEFAULTED: Final[Mapping[str, bool]] = {ref.name: True for ref in DEFAULT_DIALECTS + DEFAULT_SECRETS}
"""The packaged ones, which nobody has asked for."""


def _origins(kernel: Kernel) -> Mapping[str, bool]:
    """Whether nobody has asked for it, by instance."""
    return {one.name: one.defaulted for one in kernel.instances}


def _build(folder: Path, text: str) -> Kernel:
    file = folder / "plugins.toml"
    file.write_text(text)
    return build_kernel(load_manifest(file, environ={}))


def _distribution(folder: Path, name: str, entry: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[jackfield.plugins]\n{entry}\n")


def test_a_name_nobody_provides(tmp_path: Path) -> None:
    """The nearest installed name is suggested."""
    with pytest.raises(JackfieldError) as caught:
        _build(tmp_path, '\nenabled = ["opnai"]')
    assert (
        caught.value.message == "plugins.toml:2: no installed package provides the plugin 'opnai'; did you mean openai?"
    )


def test_a_name_that_two_distributions_provide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are named; none is imported."""
    _distribution(tmp_path, "first", "twin = first_plugin")
    _distribution(tmp_path, "second", "twin = second_plugin")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(JackfieldError) as caught:
        _build(tmp_path, 'enabled = ["twin"]')
    assert (
        caught.value.message
        == "plugins.toml:1: the plugin 'twin' is provided by first 1.0 and second 1.0; uninstall one"
    )


_WITH_OPTIONS = """
class Options(msgspec.Struct, frozen=True):
    depth: int = 1

@jackfield.hookimpl
def jackfield_config(instance):
    return Options
"""


@pytest.mark.parametrize(
    ("source", "table", "message"),
    [
        ("JACKFIELD_API = (0, 99)", "", "plugin mine speaks API 0.99; this Jackfield speaks 0.1: upgrade the server"),
        ("1 / 0", "", "plugin mine (mine.py) does not import: ZeroDivisionError: division by zero"),
        (
            "",
            "",
            "plugin mine (mine.py) implements no hook; its hook functions must be marked with @jackfield.hookimpl",
        ),
        (
            "@jackfield.hookimpl\ndef jackfield_startup(): pass",
            "[config.mine]\nx = 1",
            "plugins.toml:2: the plugin mine takes no options",
        ),
        (
            _WITH_OPTIONS,
            "[config.mine]\n\ndepht = 1",
            "plugins.toml:4: unknown key config.mine.depht; did you mean depth?",
        ),
        (
            _WITH_OPTIONS,
            "[config.mine]\ndepth = 'x'",
            "plugins.toml:3: config.mine.depth: expected `int`, got `str`",
        ),
    ],
)
def test_a_plugin_that_does_not_fit(tmp_path: Path, source: str, table: str, message: str) -> None:
    """API version, failing import, no hook, options where there are none, a misspelt option, a wrong type."""
    (tmp_path / "mine.py").write_text(f"import jackfield, msgspec\n{source}\n")
    with pytest.raises(JackfieldError) as caught:
        _build(tmp_path, f'enabled = ["./mine.py"]\n{table}')
    assert caught.value.message == message


def test_the_scheduler_socket_is_never_empty(tmp_path: Path) -> None:
    """Where no enabled plugin hands a scheduler over, the packaged one is added, marked as nobody's wish."""
    kernel = _build(tmp_path, "enabled = []")
    assert list(kernel.schedulers()) == ["fcfs"]
    assert _origins(kernel) == {"fcfs": True, **DEFAULTED}


def test_an_asked_for_scheduler_is_not_marked(tmp_path: Path) -> None:
    """And the default is not added beside it."""
    kernel = _build(tmp_path, 'enabled = ["fcfs"]')
    assert _origins(kernel) == {"fcfs": False, **DEFAULTED}


def test_a_scheduler_of_another_plugin_fills_the_socket(tmp_path: Path) -> None:
    """Whatever plugin it comes from."""
    (tmp_path / "mine.py").write_text(
        "import jackfield\n@jackfield.hookimpl\ndef jackfield_schedulers(instance):\n    return {'mine': object}\n"
    )
    kernel = _build(tmp_path, 'enabled = ["./mine.py"]')
    assert _origins(kernel) == {"mine": False, **DEFAULTED}


def test_the_dialect_socket_is_never_empty(tmp_path: Path) -> None:
    """A model whose template is of no known family is asked by the one that comes last."""
    kernel = _build(tmp_path, 'enabled = ["fcfs"]')
    assert _origins(kernel) == {"fcfs": False, **DEFAULTED}
    assert list(kernel.dialects())[-1] == "json-tools"


def test_a_dialect_that_was_asked_for_is_alone(tmp_path: Path) -> None:
    """None is added beside it."""
    kernel = _build(tmp_path, 'enabled = ["fcfs", "hermes"]')
    assert _origins(kernel) == {"fcfs": False, "hermes": False, "secrets": True}


def test_what_is_looked_at_alone_is_alone(tmp_path: Path) -> None:
    """Nothing fills a socket where that is not wished."""
    file = tmp_path / "plugins.toml"
    file.write_text('enabled = ["openai"]')
    kernel = build_kernel(load_manifest(file, environ={}), fill=False)
    assert _origins(kernel) == {"openai": False}
