"""Files that are not what their name says: refused with a clear error, never a hang or a crash."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import jackfield
from jackfield.errors import ModelLoadError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec
from jackfield_llama.model_file import check_model_file

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.backend import Backend

DEMO = Path(jackfield.__file__).parent / "models" / "demo.gguf"

FUZZ_ROUNDS = 150


@pytest.fixture
def backend() -> Backend:
    kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
    return kernel.backends()["llama-cpu"]()


def _load(backend: Backend, path: Path) -> None:
    spec = ModelSpec(name="m", path=str(path), context=64, max_sequences=1, options={"threads": 1})
    backend.load(spec, lambda _fraction: None).close()


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _text(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("make", "said"),
    [
        pytest.param(lambda path: None, "there is no model file", id="missing"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "there is no model file", id="dangling link"),
        pytest.param(lambda path: path.symlink_to(path.name), "cannot be opened", id="link to itself"),
        pytest.param(lambda path: path.mkdir(), "is a folder", id="folder"),
        pytest.param(_fifo, "not a regular file", id="FIFO"),
        pytest.param(_socket, "not a regular file", id="socket"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "not a regular file", id="device"),
        pytest.param(_text(b""), "is empty", id="empty"),
        pytest.param(_text(b"GGU"), "is not a GGUF file", id="three bytes"),
        pytest.param(_text(b"<html>not found</html>"), "is not a GGUF file", id="HTML"),
        pytest.param(_text(b"GGUF\x03\0\0\0"), "truncated in its header", id="magic only"),
        pytest.param(_text(struct.pack("<4sIQQ", b"GGUF", 1, 0, 0)), "GGUF version 1", id="version 1"),
        pytest.param(_text(struct.pack(">4sIQQ", b"GGUF", 3, 0, 0)), "big-endian GGUF", id="big-endian"),
        pytest.param(_text(struct.pack("<4sIQQ", b"GGUF", 3, 2**62, 0)), "damaged or truncated", id="tensors"),
        pytest.param(_text(struct.pack("<4sIQQ", b"GGUF", 3, 0, 2**62)), "damaged or truncated", id="pairs"),
        pytest.param(_text(struct.pack("<4sIQQ", b"GGUF", 3, 0, 0)), "cannot be loaded", id="nothing in it"),
    ],
)
def test_what_is_no_model_is_refused_by_name(
    backend: Backend, tmp_path: Path, make: Callable[[Path], None], said: str
) -> None:
    """The message has the file's name and the reason, not its folder."""
    path = tmp_path / "some model.gguf"
    make(path)
    with pytest.raises(ModelLoadError, match=said) as caught:
        _load(backend, path)
    assert "some model.gguf" in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    """Permissions are named as the cause."""
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF")
    path.chmod(0)
    with pytest.raises(ModelLoadError, match="may not be read"):
        check_model_file(str(path))


@pytest.mark.parametrize("name", ["a\0b.gguf", "x" * 300 + ".gguf"], ids=["NUL", "too long"])
def test_an_impossible_path_is_refused(tmp_path: Path, name: str) -> None:
    """Names that no file can have."""
    with pytest.raises(ModelLoadError, match="cannot be opened"):
        check_model_file(f"{tmp_path}/{name}")


@pytest.mark.parametrize("mmap", [True, False])
@pytest.mark.parametrize("part", [0.001, 0.01, 0.03, 0.5, 0.999999])
def test_a_truncated_file_is_refused(backend: Backend, tmp_path: Path, part: float, *, mmap: bool) -> None:
    """A download that stopped anywhere gives llama.cpp's reason, also where the file would be mapped."""
    whole = DEMO.read_bytes()
    path = tmp_path / "cut.gguf"
    path.write_bytes(whole[: int(len(whole) * part)])
    spec = ModelSpec(name="m", path=str(path), context=64, options={"mmap": mmap})
    with pytest.raises(ModelLoadError, match=r"cut\.gguf (cannot be loaded: |is damaged)") as caught:
        backend.load(spec, lambda _fraction: None)
    assert str(tmp_path) not in caught.value.message


_FUZZ = """
import random, sys
from pathlib import Path
from jackfield.errors import ModelLoadError
from jackfield.manifest import InstanceRef, KernelConfig, Manifest
from jackfield.plugins import build_kernel
from jackfield.ports.backend import ModelSpec

source, target, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
kernel = build_kernel(Manifest(enabled=(InstanceRef("llama-cpu", "llama-cpu"),), kernel=KernelConfig()))
backend = kernel.backends()["llama-cpu"]()
spec = ModelSpec(name="m", path=str(target), context=64, max_sequences=1, options={"threads": 1, "batch": 32})
whole = source.read_bytes()
header = whole.index(b"token_embd.weight")
places = [*range(24, 900), *range(header - 2000, header + 3000), *range(24, header, 97)]
known = [whole.index(b"llama.block_count") + 21]  # no layers: llama.cpp fails an assertion
for number in range(rounds):
    generator = random.Random(number)
    damaged = bytearray(whole)
    for place in known if number == 0 else generator.choices(places, k=generator.choice([1, 1, 2, 4])):
        damaged[place] = 0 if number == 0 else generator.choice([0, 1, 127, 128, 255, generator.randrange(256)])
    target.write_bytes(damaged)
    print(number, end=" ", flush=True)
    try:
        backend.load(spec, lambda fraction: None).close()
        print("loaded")
    except ModelLoadError as error:
        print("refused", error.message)
        assert str(target.parent) not in error.message
"""


@pytest.mark.slow
def test_damaged_headers_load_or_are_refused(tmp_path: Path) -> None:
    """Bytes of the header flipped at random, assertions of llama.cpp included: the process lives on."""
    arguments = [sys.executable, "-c", _FUZZ, str(DEMO), str(tmp_path / "damaged.gguf"), str(FUZZ_ROUNDS)]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, (run.stdout[-300:], run.stderr[-2000:])
    outcomes = run.stdout.splitlines()
    assert len(outcomes) == FUZZ_ROUNDS
    assert "GGML_ASSERT" in outcomes[0]
    assert any("loaded" in outcome for outcome in outcomes)
    assert "GGML_ASSERT" not in run.stderr


def test_nothing_of_llama_cpp_reaches_the_terminal(tmp_path: Path) -> None:
    """Neither a successful load nor a refused one writes to stdout or stderr."""
    (tmp_path / "cut.gguf").write_bytes(DEMO.read_bytes()[:30_000])
    code = (
        "import sys; from click.testing import CliRunner; from jackfield_llama.commands import gguf\n"
        "assert [CliRunner().invoke(gguf, ['show', path]).exit_code for path in sys.argv[1:]] == [0, 1]"
    )
    arguments = [sys.executable, "-c", code, str(DEMO), str(tmp_path / "cut.gguf")]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout + run.stderr == ""
