"""Steps whose results depend on nothing but the sequence: bit for bit the same alone, in company, whole or in chunks.

Cells of their own and plain attention are not enough. llama.cpp multiplies two rows and more with other kernels than a
single one (``llamafile_sgemm`` returns at ``n < 2``), and these add up in another order; so a token decoded alone
would differ from the same token decoded in company or in a prompt, by about 1e-3, now and then. Therefore nothing is
ever computed as a single row here: with a row that stands alone in its sequence the token before it is computed again,
to the same bits; and a call that keeps logits keeps those of two rows at least, as the last layer and the output are
computed for those rows only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from jackfield.errors import BackendFault
from jackfield.ports.backend import Batch
from jackfield_llama import library as llama
from jackfield_llama.remembering import RememberingRunner
from jackfield_llama.runner import BoundBatch

if TYPE_CHECKING:
    from jackfield.ports.backend import ModelInfo, RunnerLimits


class _Rows(NamedTuple):
    """The rows of one sequence in a step."""

    sequence: int
    rows: npt.NDArray[np.intp]
    """Their indices in the step, by rising position."""


class PairedRunner(RememberingRunner):
    """A ``LlamaRunner`` of deterministic results. It has the tokens to compute one again wherever a sequence is cut to.

    Parameters: as ``LlamaRunner``.
    """

    def __init__(self, model: llama.Model, context: llama.Context, info: ModelInfo, limits: RunnerLimits) -> None:
        super().__init__(model, context, info, limits)
        self._call = BoundBatch(Batch(llama.n_batch(context)))
        self._places: dict[int, int] = {}
        self._copies: dict[int, npt.NDArray[np.float32]] = {}

    def _compute(self, bound: BoundBatch, rows: int) -> int:
        """One call for all decode rows, and one for each longer run of rows."""
        self._remember(bound.batch, rows)
        self._places.clear()
        self._copies.clear()
        calls = _calls(bound.batch, rows)
        done: list[_Rows] = []
        for number, call in enumerate(calls):
            code = self._compute_call(bound.batch, call)
            if code != 0:
                for each in done:  # a step changes all or nothing
                    self._take_back(each.sequence, int(bound.batch.position[each.rows[0]]))
                return code
            done += call
            if number < len(calls) - 1:
                self._copy_logits(call)
        return 0

    def _compute_call(self, step: Batch, call: list[_Rows]) -> int:
        self._call.batch.clear()
        for run in call:
            if len(run.rows) == 1:
                self._add_pair(step, run)
            else:
                self._add_run(step, run.rows)
        self._call.struct.n_tokens = self._call.batch.rows
        code = llama.decode(self.context, self._call.struct)
        if code == 0:
            for sequence, rows in call:
                if len(rows) == 1 and step.position[rows[0]] == 0:
                    self._take_back(sequence, 1)
        return code

    def _add_pair(self, step: Batch, run: _Rows) -> None:
        """The row behind the token before it, which is taken back and computed again; a first row before its copy."""
        batch, row = self._call.batch, int(run.rows[0])
        position, token = int(step.position[row]), int(step.token[row])
        wanted = bool(step.wants_logits[row])
        if position == 0:
            self._places[row] = batch.rows
            batch.add(run.sequence, 0, [token, token], wants_logits=wanted, every=wanted)
        else:
            self._places[row] = batch.rows + 1
            self._take_back(run.sequence, position - 1)
            pair = [int(self._tokens[run.sequence, position - 1]), token]
            batch.add(run.sequence, position - 1, pair, wants_logits=wanted, every=wanted)

    def _add_run(self, step: Batch, rows: npt.NDArray[np.intp]) -> None:
        batch = self._call.batch
        start = batch.rows
        end = start + len(rows)
        for name in ("token", "position", "sequence", "wants_logits"):
            getattr(batch, name)[start:end] = getattr(step, name)[rows]
        wanted = step.wants_logits[rows].nonzero()[0]
        if len(wanted) == 1:
            batch.wants_logits[start + (wanted[0] - 1 if wanted[0] else 1)] = 1
        batch.rows = end
        self._places.update(zip(rows[wanted].tolist(), (start + wanted).tolist(), strict=True))

    def _copy_logits(self, call: list[_Rows]) -> None:
        """Keep the logits that the next call of the step would overwrite."""
        for _, rows in call:
            for row in rows.tolist():
                place = self._places.pop(row, None)
                if place is not None and self._call.batch.wants_logits[place]:
                    self._copies[row] = self._logits_at(place).copy()

    def _take_back(self, sequence: int, length: int) -> None:
        if not self.memory.remove(sequence, length):
            raise BackendFault("llama.cpp cannot take back a token")

    def logits(self, row: int) -> npt.NDArray[np.float32]:
        """See ``LlamaRunner``."""
        self._require_row(row)
        copied = self._copies.get(row)
        if copied is not None:
            return copied
        return self._logits_at(self._places.get(row, -1))


def _calls(step: Batch, rows: int) -> list[list[_Rows]]:
    sequences = step.sequence[:rows]
    order = sequences.argsort(kind="stable")
    begins = np.flatnonzero(np.diff(sequences[order], prepend=-1))
    runs = [_Rows(int(sequences[run[0]]), run) for run in np.split(order, begins[1:])]
    singles = [run for run in runs if len(run.rows) == 1]
    longer = [[run] for run in runs if len(run.rows) > 1]
    return [singles, *longer] if singles else longer
