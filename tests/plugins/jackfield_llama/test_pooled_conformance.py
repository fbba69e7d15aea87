"""llama.cpp's pooled models pass the kit, of each kind; and so does the scripted backend, which needs no llama.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from jackfield.testing import scripted
from jackfield.testing.kits.pooled_backend import PooledBackendKit

if TYPE_CHECKING:
    from jackfield.manifest import Table

FIXTURES: Final = Path(__file__).parents[2] / "fixtures"
LLAMA: Final = 'enabled = ["llama-cpu"]\n[config.llama-cpu]\nthreads = 1\n'


def _file(name: str) -> str:
    return str(FIXTURES / f"{name}.gguf")


class TestEmbedding(PooledBackendKit):
    """BERT, mean pooling."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("embedding"), "tolerance": 1e-5}


class TestRerank(PooledBackendKit):
    """BERT with a head of one output."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("rerank"), "tolerance": 1e-5}


class TestClassify(PooledBackendKit):
    """BERT with a head of labelled outputs."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("classify"), "tolerance": 1e-5}


class TestCausalRerank(PooledBackendKit):
    """A chat model that judges."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("rerank-causal")}


class TestMeanOfAChatModel(PooledBackendKit):
    """The demo model's hidden states."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": "jackfield:demo", "options": {"pooling": "mean"}, "tolerance": 1e-2}


class TestLastOfARecurrentModel(PooledBackendKit):
    """A model without attention."""

    manifest = LLAMA
    needs: ClassVar[Table] = {"source": _file("recurrent"), "options": {"pooling": "last"}, "tolerance": 1e-5}


class TestScriptedEmbedding(PooledBackendKit):
    """A backend of a few lines."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]\n'
    needs: ClassVar[Table] = {"source": "jackfield:demo", "options": {"tasks": ["embed"], "max_batch_tokens": 512}}


class TestScriptedRerank(PooledBackendKit):
    """A backend of a few lines, judging pairs."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]\n'
    needs: ClassVar[Table] = {"source": "jackfield:demo", "options": {"tasks": ["rerank"], "max_batch_tokens": 512}}


class TestScriptedClassify(PooledBackendKit):
    """A backend of a few lines, with labels."""

    manifest = f'enabled = ["scripted={scripted.__file__}"]\n'
    needs: ClassVar[Table] = {"source": "jackfield:demo", "options": {"tasks": ["classify"], "max_batch_tokens": 512}}
