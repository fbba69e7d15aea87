"""The model's own tokenizer."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from jackfield.errors import BackendFault, InvalidRequest
from jackfield.ports.tokenizer import InfillTokens
from jackfield_llama import library as llama
from jackfield_llama.pretokens import CHARACTERS_MAX, Cutter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def infill_tokens(vocabulary: llama.Vocabulary) -> InfillTokens | None:
    """Those for gaps, where the vocabulary has all that are needed."""
    prefix, suffix = llama.vocab_fim_pre(vocabulary), llama.vocab_fim_suf(vocabulary)
    middle = llama.vocab_fim_mid(vocabulary)
    if min(prefix, suffix, middle) < 0:
        return None
    repository, file = llama.vocab_fim_rep(vocabulary), llama.vocab_fim_sep(vocabulary)
    return InfillTokens(
        prefix=prefix,
        suffix=suffix,
        middle=middle,
        repository=repository if repository >= 0 else None,
        file=file if file >= 0 else None,
    )


class LlamaTokenizer:
    """Text to tokens and back through llama.cpp. A vocabulary is read-only, so any thread may call at any time.

    Parameters:
        model: A loaded model; must outlive the tokenizer.
    """

    def __init__(self, model: llama.Model) -> None:
        self._vocabulary = vocabulary = llama.model_get_vocab(model)
        self.vocabulary = llama.vocab_n_tokens(vocabulary)
        self.end_tokens = frozenset(t for t in range(self.vocabulary) if llama.vocab_is_eog(vocabulary, t))
        turn_end = llama.vocab_eot(vocabulary)
        self.turn_end = turn_end if turn_end >= 0 else llama.vocab_eos(vocabulary)
        """What ends a turn, or else a text; -1 where the model knows neither."""
        self.chat_template = llama.model_chat_template(model)
        self.template_tokens: Mapping[str, str] = {
            "bos_token": self._token_text(llama.vocab_bos(vocabulary)),
            "eos_token": self._token_text(llama.vocab_eos(vocabulary)),
        }
        self.infill = infill_tokens(vocabulary)
        bos = llama.vocab_bos(vocabulary)
        self._prefix = [bos] if llama.vocab_get_add_bos(vocabulary) and bos >= 0 else []
        self._pieces: list[bytes | None] = [None] * self.vocabulary  # filled as tokens are met: no cost at load time

    def encode(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """See ``jackfield.ports.backend.Tokenizer``. A lone surrogate counts as U+FFFD."""
        tokens = list(self._prefix) if add_bos else []
        for piece in self._cut(text):
            tokens += self._tokenize(piece, parse_special=parse_special)
        return tokens

    def encode_bytes(self, data: bytes) -> list[int]:
        """Tokenise part of a text, which may begin or end inside a character; no marker in it counts as such."""
        return llama.tokenize(self._vocabulary, data, parse_special=False) or [] if data else []

    def piece(self, token: int) -> bytes:
        """See ``jackfield.ports.backend.Tokenizer``."""
        if not 0 <= token < self.vocabulary:
            raise BackendFault(f"there is no token {token}: the vocabulary has {self.vocabulary}")
        known = self._pieces[token]
        if known is None:
            known = self._pieces[token] = llama.token_to_piece(self._vocabulary, token)
        return known

    def name(self, token: int) -> bytes:
        """See ``jackfield.ports.backend.Tokenizer``."""
        return self.piece(token) or llama.token_to_piece(self._vocabulary, token, special=True)

    def _cut(self, text: str) -> Iterable[str]:
        if len(text) <= CHARACTERS_MAX or llama.vocab_type(self._vocabulary) != llama.VOCABULARY_BPE:
            return (text,)
        return self._cutter.pieces(text)

    @cached_property
    def _cutter(self) -> Cutter:
        """Made for the first long text: collecting the markers of a large vocabulary takes 0.13 s."""
        return Cutter(
            frozenset(
                self._token_text(token)
                for token in range(self.vocabulary)
                if llama.vocab_get_attr(self._vocabulary, token) & llama.MARKER_ATTRIBUTES
            )
        )

    def _tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
        tokens = llama.tokenize(self._vocabulary, data, parse_special=parse_special) if data else []
        if tokens is None:
            raise InvalidRequest("the text is too long to be tokenised", param="prompt")
        return tokens

    def _token_text(self, token: int) -> str:
        text = llama.vocab_get_text(self._vocabulary, token) if token >= 0 else None
        return "" if text is None else text.decode("utf-8", "replace")
