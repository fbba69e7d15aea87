"""Promises of runners whose ``limits.reuse`` is not ``none``: a prefix that is used again is as good as computed anew.

Part of ``BackendKit``. Answers are compared with those of the same tokens computed in the same pieces: exactly where
the runner is deterministic, else by their probabilities, since cells in other places may change last digits.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, cast

import pytest

from jackfield.errors import BackendFault, KVExhausted
from jackfield.testing.kits.loaded_model import SEQUENCES, LoadedModel, generating

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jackfield.ports.backend import Reuse, Runner
    from jackfield.ports.reuse import ReusableRunner

PREFIX: Final = 48
"""Tokens that are used again."""
LONGER: Final = 92
"""Tokens that one sequence has, of which others use the prefix."""
REST: Final = 6
"""Tokens behind a prefix that are computed one by one and looked at; models forget what is far back."""
TEXT: Final = LONGER + REST
"""All of the text."""
BEFORE: Final = 20
"""Where a range begins."""

MOVED_MOST: Final = 0.01
"""Most probability that may go to other tokens where results are not exact."""

CUTTING: Final = ("whole", "ranges")
SOURCE: Final = 0
OTHER: Final = 1
TARGET: Final = SEQUENCES - 1


class ReusePromises(LoadedModel):
    """Copies, cuts, saved states and checkpoints."""

    # --- copies and cuts ---------------------------------------------------------------------------------------------

    def test_a_copy_goes_on_as_the_original_does(self, runner: Runner) -> None:
        """Both of them, each in its own way, whichever goes first."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        reusing.copy(SOURCE, TARGET, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)
        runner.remove(TARGET)
        self._require_same(runner, self._rest(runner, SOURCE), expected)

    def test_a_copy_stays_when_its_original_goes(self, runner: Runner) -> None:
        """Also where both share cells, and others are computed meanwhile."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        reusing.copy(SOURCE, TARGET, PREFIX)
        runner.remove(SOURCE)
        self._fill(runner, SOURCE, self._text(runner)[5:50], LONGER)
        self._require_same(runner, self._rest(runner, TARGET), expected)

    def test_the_beginning_of_a_sequence_can_be_copied(self, runner: Runner) -> None:
        """Where it may be taken apart; what is behind it stays where it is."""
        reusing, expected = self._prepared(runner, *CUTTING)
        self._compute(runner, SOURCE, LONGER)
        reusing.copy(SOURCE, TARGET, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)
        self._compute(runner, OTHER, LONGER)
        self._require_same(runner, self._rest(runner, SOURCE, LONGER), self._rest(runner, OTHER, LONGER))

    def test_a_sequence_can_be_cut_back(self, runner: Runner) -> None:
        """To any length, and to nothing."""
        reusing, expected = self._prepared(runner, *CUTTING)
        self._compute(runner, SOURCE, LONGER)
        reusing.cut(SOURCE, PREFIX)
        self._require_same(runner, self._rest(runner, SOURCE), expected)
        reusing.cut(SOURCE, 0)
        self._compute(runner, SOURCE, PREFIX)
        self._require_same(runner, self._rest(runner, SOURCE), expected)

    def test_copies_share_cells(self, runner: Runner) -> None:
        """Where the runner says so: three copies leave the pool room for all that one of them leaves."""
        reusing, _ = self._prepared(runner, "ranges")
        if self.pool == "auto":
            pytest.skip("each sequence has cells of its own")
        text = self._text(runner)
        self._compute(runner, SOURCE, LONGER)
        for target in (1, 2):
            reusing.copy(SOURCE, target, LONGER)
        self._fill(runner, TARGET, text, runner.limits.kv_tokens - LONGER)
        with pytest.raises(KVExhausted):
            self._decode(runner, TARGET, runner.limits.kv_tokens - LONGER, text[:1])

    def test_spare_sequences_are_sequences(self, runner: Runner) -> None:
        """A prefix can be kept in each of them, and computed there as well."""
        reusing, expected = self._prepared(runner)
        if not runner.limits.spare_sequences:
            pytest.skip("this runner has none")
        self._compute(runner, SOURCE, PREFIX)
        spares = range(SEQUENCES, SEQUENCES + runner.limits.spare_sequences)
        for spare in spares:
            reusing.copy(SOURCE, spare, PREFIX)
        self._require_same(runner, self._rest(runner, spares[-1]), expected)

    # --- saved states ------------------------------------------------------------------------------------------------

    def test_a_saved_state_continues_in_another_sequence(self, runner: Runner) -> None:
        """When the one it was saved from is gone, beside one that stays as it was."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        state = reusing.save(SOURCE, 0, PREFIX)
        runner.remove(SOURCE)
        self._compute(runner, OTHER, PREFIX)
        reusing.restore(TARGET, state, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)
        self._require_same(runner, self._rest(runner, OTHER), expected)

    def test_a_saved_state_continues_in_another_runner(self, runner: Runner) -> None:
        """One whose ``state_layout`` is the same, as after a restart; the bytes may have come through a file."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        state = bytes(reusing.save(SOURCE, 0, PREFIX))
        again = generating(self.backend().load(self.sized(), lambda _fraction: None))
        assert again.limits.state_layout == runner.limits.state_layout != ""
        cast("ReusableRunner", again).restore(TARGET, memoryview(state), PREFIX)
        self._require_same(runner, self._rest(again, TARGET), expected)
        again.close()

    def test_a_state_is_restored_as_far_as_wanted(self, runner: Runner) -> None:
        """Where it may be taken apart."""
        reusing, expected = self._prepared(runner, *CUTTING)
        self._compute(runner, SOURCE, LONGER)
        reusing.restore(TARGET, reusing.save(SOURCE, 0, LONGER), PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)

    def test_a_range_is_restored_behind_what_was_before_it(self, runner: Runner) -> None:
        """As a node of a tree of prefixes behind its parent."""
        reusing, expected = self._prepared(runner, "ranges")
        self._compute(runner, SOURCE, LONGER)
        state = reusing.save(SOURCE, BEFORE, LONGER)
        reusing.copy(SOURCE, TARGET, BEFORE)
        runner.remove(SOURCE)
        reusing.restore(TARGET, state, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)

    def test_without_room_nothing_is_restored(self, runner: Runner) -> None:
        """``KVExhausted``; the sequence can be restored when there is room again."""
        reusing, expected = self._prepared(runner)
        if self.pool == "auto":
            pytest.skip("each sequence has cells of its own")
        self._compute(runner, SOURCE, PREFIX)
        state = reusing.save(SOURCE, 0, PREFIX)
        runner.remove(SOURCE)
        self._fill(runner, OTHER, self._text(runner), runner.limits.kv_tokens - PREFIX + 1)
        with pytest.raises(KVExhausted):
            reusing.restore(TARGET, state, PREFIX)
        runner.remove(OTHER)
        reusing.restore(TARGET, state, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)

    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda _: b"", id="nothing"),
            pytest.param(lambda state: state[: len(state) // 2], id="half"),
            pytest.param(lambda state: state[:-1], id="one byte short"),
            pytest.param(lambda state: state + b"\0" * 8, id="longer"),
            pytest.param(lambda state: b"\0" * len(state), id="zeros"),
            pytest.param(lambda state: b"\xff" * len(state), id="ones"),
            pytest.param(lambda state: state[::-1], id="reversed"),
            pytest.param(lambda state: bytes([state[0] ^ 1]) + state[1:], id="first bit flipped"),
            pytest.param(lambda state: state[:-1] + bytes([state[-1] ^ 128]), id="last bit flipped"),
        ],
    )
    def test_what_is_no_state_is_refused(self, runner: Runner, damage: Callable[[bytes], bytes]) -> None:
        """The sequence holds nothing then and can be used at once; others do not notice."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        state = bytes(reusing.save(SOURCE, 0, PREFIX))
        with pytest.raises(BackendFault):
            reusing.restore(TARGET, memoryview(damage(state)), PREFIX)
        self._compute(runner, TARGET, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)
        self._require_same(runner, self._rest(runner, SOURCE), expected)

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def test_a_sequence_goes_back_to_its_checkpoint(self, runner: Runner) -> None:
        """However far it went on, and more than once; a copy of it does as well."""
        reusing, expected = self._prepared(runner, "checkpoints")
        self._compute(runner, SOURCE, PREFIX)
        checkpoint = reusing.checkpoint(SOURCE)
        reusing.copy(SOURCE, TARGET, PREFIX)
        for sequence in (SOURCE, TARGET, SOURCE):
            self._fill_on(runner, sequence, PREFIX, self._text(runner)[::-1])
            reusing.rewind(sequence, checkpoint, PREFIX)
            self._require_same(runner, self._rest(runner, sequence), expected)
            reusing.rewind(sequence, checkpoint, PREFIX)

    def test_what_is_no_checkpoint_is_refused(self, runner: Runner) -> None:
        """A state, half of one, one of another length: the sequence holds nothing then and can be used at once."""
        reusing, expected = self._prepared(runner, "checkpoints")
        self._compute(runner, SOURCE, PREFIX)
        state, checkpoint = reusing.save(SOURCE, 0, PREFIX), reusing.checkpoint(SOURCE)
        for wrong, length in ((state, PREFIX), (checkpoint[: len(checkpoint) // 2], PREFIX), (checkpoint, PREFIX - 1)):
            with pytest.raises(BackendFault):
                reusing.rewind(SOURCE, wrong, length)
            self._compute(runner, SOURCE, PREFIX)
        self._require_same(runner, self._rest(runner, SOURCE), expected)

    def test_a_checkpoint_of_other_tokens_is_refused(self, runner: Runner) -> None:
        """However alike: one token differs. The sequence holds nothing then and can be used at once."""
        reusing, expected = self._prepared(runner, "checkpoints")
        text = self._text(runner)
        self._compute(runner, SOURCE, PREFIX)
        checkpoint = reusing.checkpoint(SOURCE)
        other = next(token for token in text if token != text[PREFIX // 2])
        self._fill_on(runner, TARGET, 0, [*text[: PREFIX // 2], other, *text[PREFIX // 2 + 1 : LONGER]])
        with pytest.raises(BackendFault):
            reusing.rewind(TARGET, checkpoint, PREFIX)
        self._compute(runner, TARGET, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)
        reusing.rewind(SOURCE, checkpoint, PREFIX)
        self._require_same(runner, self._rest(runner, SOURCE), expected)

    # --- what is not there -------------------------------------------------------------------------------------------

    def test_what_cannot_be_done_is_an_error_not_a_crash(self, runner: Runner) -> None:
        """Sequences that do not exist, more tokens than there are, what another kind of memory can do."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        self._compute(runner, OTHER, PREFIX)
        beyond = runner.limits.max_sequences + runner.limits.spare_sequences
        for wrong in (
            lambda: reusing.copy(SOURCE, OTHER, PREFIX),
            lambda: reusing.copy(SOURCE, TARGET, PREFIX + 1),
            lambda: reusing.copy(SOURCE, TARGET, 0),
            lambda: reusing.copy(SOURCE, beyond, PREFIX),
            lambda: reusing.copy(-1, TARGET, PREFIX),
            lambda: reusing.save(SOURCE, 0, PREFIX + 1),
            lambda: reusing.save(SOURCE, PREFIX, PREFIX),
            lambda: reusing.save(TARGET, 0, 1),
            lambda: reusing.cut(beyond, 1),
            lambda: reusing.checkpoint(TARGET),
        ):
            with pytest.raises(BackendFault):
                wrong()
        self._require_same(runner, self._rest(runner, SOURCE), expected)
        self._require_same(runner, self._rest(runner, OTHER), expected)

    def test_a_state_behind_the_wrong_length_is_refused(self, runner: Runner) -> None:
        """Behind something, or up to a position that it does not have: the sequence holds nothing then."""
        reusing, expected = self._prepared(runner)
        self._compute(runner, SOURCE, PREFIX)
        state = reusing.save(SOURCE, 0, PREFIX)
        self._decode(runner, TARGET, 0, self._text(runner)[:1])
        for length in (PREFIX, PREFIX + 1, 0):
            with pytest.raises(BackendFault):
                reusing.restore(TARGET, state, length)
        self._compute(runner, TARGET, PREFIX)
        self._require_same(runner, self._rest(runner, TARGET), expected)

    # --- steps by hand -----------------------------------------------------------------------------------------------

    def _prepared(self, runner: Runner, *kinds: Reuse) -> tuple[ReusableRunner, list[dict[int, float]]]:
        """The runner, and what it makes of the text when nothing is used again; skips other *kinds*."""
        if runner.limits.reuse == "none" or (kinds and runner.limits.reuse not in kinds):
            pytest.skip(f"this runner's reuse is {runner.limits.reuse}")
        self._compute(runner, SOURCE, PREFIX)
        expected = self._rest(runner, SOURCE)
        runner.remove(SOURCE)
        return cast("ReusableRunner", runner), expected

    def _text(self, runner: Runner) -> list[int]:
        unit = [token for prompt in self.prompts for token in self._encode(runner, prompt)]
        return (unit * (TEXT // len(unit) + 1))[:TEXT]

    def _compute(self, runner: Runner, sequence: int, length: int) -> None:
        """Compute the text, the prefix as one piece."""
        text = self._text(runner)
        self._decode(runner, sequence, 0, text[:PREFIX], wants_logits=False)
        if length > PREFIX:
            self._decode(runner, sequence, PREFIX, text[PREFIX:length], wants_logits=False)

    def _rest(self, runner: Runner, sequence: int, start: int = PREFIX) -> list[dict[int, float]]:
        """Log probabilities after each of the tokens that follow *start*."""
        text = self._text(runner)
        return [
            self._distribution(runner, self._decode(runner, sequence, position, text[position : position + 1]))
            for position in range(start, start + REST)
        ]

    def _fill_on(self, runner: Runner, sequence: int, start: int, tokens: Sequence[int]) -> None:
        step = runner.limits.max_batch_tokens
        for done in range(0, len(tokens), step):
            self._decode(runner, sequence, start + done, tokens[done : done + step], wants_logits=False)

    @staticmethod
    def _distribution(runner: Runner, row: int) -> dict[int, float]:
        return dict(runner.scores(row, 0, runner.tokenizer.vocabulary).top)

    @staticmethod
    def _require_same(runner: Runner, found: Sequence[dict[int, float]], expected: Sequence[dict[int, float]]) -> None:
        if runner.limits.deterministic:
            assert found == expected
            return
        for one, other in zip(found, expected, strict=True):
            differences = (abs(math.exp(one[token]) - math.exp(other[token])) for token in other)
            assert math.fsum(differences) / 2 <= MOVED_MOST
