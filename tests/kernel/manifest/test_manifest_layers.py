"""Layers, origins and start-up errors of the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackfield.errors import ManifestError
from jackfield.manifest import DEFAULT_ENABLED, InstanceRef, Manifest
from jackfield.manifest_layers import FILE_BYTES_MAX, load_manifest, origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def _load(folder: Path, text: str = "", sets: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Manifest:
    file = folder / "plugins.toml"
    file.write_text(text)
    return load_manifest(file, sets=sets, environ=environ or {})


def test_an_empty_file_gives_the_packaged_defaults(tmp_path: Path) -> None:
    """The default plugins, and the demo model under two names."""
    manifest = _load(tmp_path)
    assert [ref.name for ref in manifest.enabled] == list(DEFAULT_ENABLED)
    assert manifest.kernel.listen == "127.0.0.1:8080"
    assert manifest.models["demo"].source == "jackfield:demo"
    assert manifest.models["demo"].aliases == ("default",)
    assert origin_of(manifest, "kernel.listen") == "default"


def test_without_a_file_the_current_folder_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``plugins.toml`` is read if it is there; nothing is missing if it is not."""
    monkeypatch.chdir(tmp_path)
    assert load_manifest(None, environ={}).file is None
    (tmp_path / "plugins.toml").write_text("[kernel]\nqueue = 3\n")
    manifest = load_manifest(None, environ={})
    assert manifest.kernel.queue == 3
    assert manifest.file == str(tmp_path / "plugins.toml")


def test_later_layers_win_and_every_value_knows_its_origin(tmp_path: Path) -> None:
    """File, then environment, then --set."""
    manifest = _load(
        tmp_path,
        "# a comment\n[kernel]\nqueue = 1\nbody_limit_bytes = 2048\ndrain_s = 1\n",
        sets=["kernel.drain_s=3.5"],
        environ={"JACKFIELD__KERNEL__QUEUE": "2", "JACKFIELD__KERNEL__DRAIN_S": "2", "JACKFIELD_OTHER": "x"},
    )
    kernel = manifest.kernel
    assert (kernel.body_limit_bytes, kernel.queue, kernel.drain_s) == (2048, 2, 3.5)
    assert origin_of(manifest, "kernel.body_limit_bytes") == "plugins.toml:4"
    assert origin_of(manifest, "kernel.queue") == "JACKFIELD__KERNEL__QUEUE"
    assert origin_of(manifest, "kernel.drain_s") == "--set"
    assert origin_of(manifest, "kernel.listen") == "default"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ('"8080"', "8080"),
        ("a=b", "a=b"),
        ("3", 3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('{"a": [1]}', {"a": [1]}),
        ("", ""),
    ],
)
def test_values_of_set_and_environment_are_json_or_plain_text(tmp_path: Path, text: str, value: object) -> None:
    """A value is JSON where it is JSON, and otherwise the text itself."""
    by_set = _load(tmp_path, sets=[f"config.openai.option={text}"])
    by_variable = _load(tmp_path, environ={"JACKFIELD__CONFIG__OPENAI__OPTION": text})
    assert by_set.config["openai"]["option"] == by_variable.config["openai"]["option"] == value


def test_variables_reach_names_that_they_cannot_spell(tmp_path: Path) -> None:
    """Dashes, dots and capitals of instances and models are underscores and small letters in a variable."""
    manifest = _load(
        tmp_path,
        '[models."Qwen2.5"]\nsource = "x.gguf"\n',
        environ={"JACKFIELD__CONFIG__LLAMA_CPU__THREADS": "2", "JACKFIELD__MODELS__QWEN2_5__CONTEXT": "512"},
    )
    assert manifest.config == {"llama-cpu": {"threads": 2}}
    assert manifest.models["Qwen2.5"].context == 512


def test_set_reaches_quoted_names(tmp_path: Path) -> None:
    """Key paths are quoted as in TOML."""
    manifest = _load(tmp_path, '[models."a.b"]\nsource = "x"\n', sets=['models."a.b".context=99'])
    assert manifest.models["a.b"].context == 99


def test_the_demo_model_can_be_changed_without_naming_its_source(tmp_path: Path) -> None:
    """An override of the default model keeps the rest of it; another model replaces it."""
    changed = _load(tmp_path, sets=["models.demo.context=64"]).models
    assert (changed["demo"].context, changed["demo"].source) == (64, "jackfield:demo")
    assert list(_load(tmp_path, sets=["models.mine.source=m.gguf"]).models) == ["mine"]


def test_models_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    """And --set still applies to them."""
    file = tmp_path / "plugins.toml"
    file.write_text('[models.old]\nsource = "old.gguf"\n')
    manifest = load_manifest(file, environ={}, models={"new": {"source": "new.gguf"}}, sets=["models.new.context=32"])
    assert list(manifest.models) == ["new"]
    assert manifest.models["new"].context == 32
    assert manifest.origin("models.new.source") == "command line"


def test_an_explicit_list_replaces_the_default_one(tmp_path: Path) -> None:
    """Instances and paths are told apart; paths start at the manifest's folder."""
    manifest = _load(tmp_path, 'enabled = ["openai", "edge=upstream", "./my_plugin.py", "two=./my_plugin.py"]')
    path = str(tmp_path / "my_plugin.py")
    assert manifest.enabled == (
        InstanceRef("openai", "openai"),
        InstanceRef("edge", "upstream"),
        InstanceRef("my_plugin", path),
        InstanceRef("two", path),
    )


def test_the_manifest_survives_the_way_to_another_process(tmp_path: Path) -> None:
    """What a child restores is what was loaded."""
    manifest = _load(tmp_path, '[config.openai]\nx = [1, "a", {b = 2.5}]\n[models.m]\nsource = "s"\noptions.n = inf\n')
    assert Manifest.restore(manifest.dump()) == manifest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = [1\n", "plugins.toml:2: Unclosed array (column 1)"),
        ("\nx y\n", "plugins.toml:2: "),
        ("[kernal]\n", "plugins.toml:1: unknown key kernal; did you mean kernel?"),
        ("\n[kernel]\nlissten = '1'", "plugins.toml:3: unknown key kernel.lissten; did you mean listen?"),
        (
            "[kernel]\nqueue = 1\nenabled = []",
            "plugins.toml:3: unknown key kernel.enabled; enabled belongs to the top of the file, above the first [",
        ),
        ("queue = 1", "plugins.toml:1: unknown key queue; queue belongs to [kernel]"),
        ("[models.m]\nsource='s'\nqueue = 1", "plugins.toml:3: unknown key models.m.queue; queue belongs to [kernel]"),
        ("[kernel]\nqueue = 'x'", "plugins.toml:2: kernel.queue: expected `int`, got `str`"),
        ("[kernel]\nallowed_hosts = ['a', 3]", "plugins.toml:2: kernel.allowed_hosts[1]: expected `str`, got `int`"),
        ("[kernel]\n\nqueue = -1", "plugins.toml:3: kernel.queue: must be at least 0"),
        ("[kernel]\ndrain_s = nan", "plugins.toml:2: kernel.drain_s: must be at least 0"),
        ("[kernel]\nconnections = 0", "plugins.toml:2: kernel.connections: must be at least 1"),
        ("[kernel]\nconnections_per_address = 0", "plugins.toml:2: kernel.connections_per_address: must be at least 1"),
        ("[kernel]\nrequests_per_connection = 0", "plugins.toml:2: kernel.requests_per_connection: must be at least 1"),
        ("[kernel]\nheader_timeout_s = 0", "plugins.toml:2: kernel.header_timeout_s: must be at least 0.1"),
        ("[kernel]\nidle_timeout_s = inf", "plugins.toml:2: kernel.idle_timeout_s: must be at least 0.1"),
        ("[kernel]\nwrite_timeout_s = -1", "plugins.toml:2: kernel.write_timeout_s: must be at least 0.1"),
        ("[kernel]\nrequest_timeout_s = -1", "plugins.toml:2: kernel.request_timeout_s: must be at least 0"),
        ("[kernel]\noverload_status = 500", "plugins.toml:2: kernel.overload_status: invalid enum value 500"),
        ("[kernel]\nbody_budget_bytes = 1", "plugins.toml:2: kernel.body_budget_bytes: must be at least"),
        (
            "[kernel]\ntrusted_proxies = ['proxy']",
            "plugins.toml:2: kernel.trusted_proxies: has 'proxy'",
        ),
        (
            "[kernel]\ntrusted_proxy_header = 'x-real-ip'",
            "plugins.toml:2: kernel.trusted_proxy_header: invalid",
        ),
        ("[kernel]\nlisten = '8080'", "plugins.toml:2: kernel.listen: must be HOST:PORT, with a port from 0 to 65535"),
        (
            "[kernel]\nlisten = 'a:65536'",
            "plugins.toml:2: kernel.listen: must be HOST:PORT, with a port from 0 to 65535",
        ),
        ("[kernel]\nlisten = ':1'", "plugins.toml:2: kernel.listen: must name a host; 0.0.0.0 and [::] are all"),
        ("[kernel]\nhealth = '::1:80'", "plugins.toml:2: kernel.health: must have an IPv6 address in brackets"),
        ("kernel = 1", "plugins.toml:1: kernel must be a table: [kernel]"),
        ("enabled = 'openai'", "plugins.toml:1: enabled must be a list of names"),
        ("enabled = [1]", "plugins.toml:1: enabled entry 1 must be a text"),
        ("enabled = ['Öl']", "plugins.toml:1: enabled 'Öl' is not an instance name"),
        ("enabled = ['a=b c']", "plugins.toml:1: enabled 'b c' is neither the name of a plugin nor the path of a .py"),
        ("enabled = ['openai', 'openai']", "plugins.toml:1: enabled lists openai twice; a second instance is"),
        (
            "\n[config.opnai]\nx = 1",
            "plugins.toml:2: config.opnai is for a plugin instance that is not enabled; did you mean openai?",
        ),
        (
            "enabled = []\n[config.x]",
            "plugins.toml:2: config.x is for a plugin instance that is not enabled; nothing is",
        ),
        ("[config]\nopenai = 1", "plugins.toml:2: config.openai must be a table: [config.openai]"),
        ("[models]\nsource = 'x'", "plugins.toml:2: models.source must be a table: [models.source]"),
        ("[models.m]\ncontext = 9", "plugins.toml:1: models.m: object missing required field `source`"),
        ("[models.m]\nsource='s'\ncontext = 1", "plugins.toml:3: models.m.context: must be at least 8"),
        (
            "[models.m]\nsource='s'\nmax_sequences=999",
            "plugins.toml:3: models.m.max_sequences: must be between 1 and 256",
        ),
        ("[models.'a b']\nsource='s'", "plugins.toml:1: models.a b 'a b' is not a model name"),
        (
            "[models.a]\nsource='s'\n[models.b]\nsource='s'\naliases=['a']",
            "plugins.toml:5: models.b.aliases a is already a name of the model a",
        ),
        ("[config.openai]\nx = 1979-05-27", "plugins.toml:2: config.openai.x: a date or time cannot be used here"),
        (
            "[config.openai]\nx = 99999999999999999999",
            "plugins.toml:2: config.openai.x: a number with more than 64 bits",
        ),
        ("a = " + "[" * 40 + "]" * 40, "plugins.toml:1: a is nested deeper than 32 levels"),
        ("a = " + "[" * 9000, "plugins.toml: nested too deeply"),
    ],
)
def test_a_fault_of_the_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """File, line, key path, and what to do."""
    with pytest.raises(ManifestError) as caught:
        _load(tmp_path, text)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("JACKFIELD__KERNL__LISTEN", "s3cret", "JACKFIELD__KERNL__LISTEN: unknown section kernl; did you mean kernel?"),
        (
            "JACKFIELD__KERNEL__LISTN",
            "s3cret",
            "JACKFIELD__KERNEL__LISTN: unknown key kernel.listn; did you mean listen?",
        ),
        ("JACKFIELD__KERNEL__QUEUE", "s3cret", "JACKFIELD__KERNEL__QUEUE: kernel.queue: expected `int`, got `str`"),
        ("JACKFIELD__KERNEL", "{}", "JACKFIELD__KERNEL: must be JACKFIELD__SECTION__KEY"),
        ("JACKFIELD__KERNEL__", "s3cret", "JACKFIELD__KERNEL__: must be JACKFIELD__SECTION__KEY"),
        ("JACKFIELD__ENABLED__X", "s3cret", "JACKFIELD__ENABLED__X: enabled must be a list of names"),
        ("JACKFIELD__ENABLED", "[s3cret", "JACKFIELD__ENABLED: the value is not valid JSON"),
        ("JACKFIELD__CONFIG__KEYZ__TOKEN", "s3cret", "JACKFIELD__CONFIG__KEYZ__TOKEN: config.keyz is for a plugin"),
        ("JACKFIELD__KERNEL__LISTEN", "\udcff", "JACKFIELD__KERNEL__LISTEN: not UTF-8"),
        ("JACKFIELD__CONFIG__OPENAI__X", "null", "JACKFIELD__CONFIG__OPENAI__X: config.openai.x: null cannot be used"),
    ],
)
def test_a_fault_of_the_environment_names_the_variable_and_never_its_value(
    tmp_path: Path, variable: str, value: str, message: str
) -> None:
    """The value may be a secret under a misspelt name."""
    with pytest.raises(ManifestError) as caught:
        _load(tmp_path, environ={variable: value})
    assert caught.value.message.startswith(message)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kernel.listen", "--set kernel.listen: must be section.key=value, such as kernel.listen=127.0.0.1:8080"),
        ("=1", "--set : not a key path"),
        ("kernel..x=1", "--set kernel..x: not a key path"),
        ("a\nb=1", "--set a\nb: not a key path"),
        ("kernl.queue=1", "--set kernl.queue: unknown section kernl; did you mean kernel?"),
        ("kernel.queu=1", "--set: unknown key kernel.queu; did you mean queue?"),
        ("kernel.listen.port=1", "--set: kernel.listen is a value, not a table"),
        ("kernel.queue=[1", "--set kernel.queue: the value is not valid JSON"),
        ("kernel=3", "--set: kernel must be a table"),
    ],
)
def test_a_fault_of_set_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Without ``=``, without a key, or with one that does not fit."""
    with pytest.raises(ManifestError) as caught:
        _load(tmp_path, "[kernel]\nlisten = 'h:1'\n", sets=[text])
    assert caught.value.message.startswith(message)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """Missing, a folder, too large, or not text."""
    with pytest.raises(ManifestError, match=r"no\.toml: there is no such file"):
        load_manifest(tmp_path / "no.toml", environ={})
    with pytest.raises(ManifestError, match="cannot be read: Is a directory"):
        load_manifest(tmp_path, environ={})
    file = tmp_path / "plugins.toml"
    file.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ManifestError, match="larger than 1048576 bytes"):
        load_manifest(file, environ={})
    file.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ManifestError, match=r"plugins\.toml:2: not UTF-8"):
        load_manifest(file, environ={})


@given(text=st.text(max_size=60), sets=st.lists(st.text(max_size=30), max_size=2), value=st.text(max_size=20))
def test_whatever_is_given_loads_or_is_a_manifest_error(
    tmp_path_factory: pytest.TempPathFactory, text: str, sets: list[str], value: str
) -> None:
    """No other exception, whatever file, arguments and environment say."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        manifest = load_manifest(file, sets=sets, environ={"JACKFIELD__CONFIG__OPENAI__X": value})
    except ManifestError:
        return
    assert Manifest.restore(manifest.dump()) == manifest
