"""One step: batch → decode → scores and draws → text, in as many backend calls as it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import structlog

from jackfield.errors import BackendFault, InvalidRequest, KVExhausted, NothingToDraw
from jackfield.lifecycle import RequestEvent, RequestState
from jackfield.ports.backend import Batch
from jackfield.worker.engine.calls import bounded, calls
from jackfield.worker.engine.constraining import Masks
from jackfield.worker.engine.scoring import echo_scored, score, unscored
from jackfield.worker.engine.sequence import NO_SLOT
from jackfield.worker.engine.starting import Starter
from jackfield.worker.engine.telling import prompt_went_on, prompts_begin

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield.ports.backend import Runner, Sampler
    from jackfield.ports.constraint import Matcher
    from jackfield.types import TokenLogprob
    from jackfield.worker.engine.calls import Chunk
    from jackfield.worker.engine.clock import StepClock
    from jackfield.worker.engine.endings import Endings
    from jackfield.worker.engine.prefix.cache import PrefixCache
    from jackfield.worker.engine.sequence import Sequence
    from jackfield.worker.engine.table import SequenceTable
    from jackfield.worker.engine.thoughts import ThinkingMatcher

log = structlog.get_logger("jackfield.engine")


class Stepper:
    """Computes what was planned. Engine loop thread.

    Parameters:
        runner: The loaded model.
        table: All sequences.
        clock: Counts tokens and times.
        endings: Ends sequences.
        cache: Has computed prefixes.
        flush: Sends the events that recipients were given.
        context_shift: Whether an answer goes on at the end of the context.
    """

    def __init__(
        self,
        runner: Runner,
        table: SequenceTable,
        clock: StepClock,
        endings: Endings,
        cache: PrefixCache,
        flush: Callable[[], None],
        *,
        context_shift: bool,
    ) -> None:
        self._runner = runner
        self._table = table
        self._clock = clock
        self._endings = endings
        self._cache = cache
        self._flush = flush
        self._starter = Starter(table, cache)
        self._piece = runner.tokenizer.piece
        self._batch = Batch(runner.limits.max_batch_tokens)
        self._deterministic = runner.limits.deterministic
        self._tile_rows = runner.limits.tile_rows
        self._context = runner.limits.context
        self._context_shift = context_shift
        self._masks = Masks(runner, clock)

    def step(self, chunks: list[Chunk]) -> None:
        """Compute *chunks*, or as much of them as a step may hold. What a call drew is sent before the next begins."""
        chunks = self._starter.start(bounded(chunks))
        if prompts_begin(chunks):
            self._flush()
        for number, call in enumerate(calls(chunks, deterministic=self._deterministic, tile_rows=self._tile_rows)):
            if number:
                self._flush()
            # a call before may have cost others their slots
            present = [chunk for chunk in call if chunk[0].slot != NO_SLOT]
            if present:
                self._call(present)

    def close(self) -> None:
        """End the thread that makes masks."""
        self._masks.close()

    def _call(self, chunks: list[Chunk]) -> None:
        rows = self._fill(chunks)
        self._masks.begin(chunks)
        computed = self._decode(chunks)
        self._masks.wait()
        if computed:
            self._draw(chunks, rows)

    def _fill(self, chunks: list[Chunk]) -> list[int]:
        """Write the call's rows; return each chunk's last row."""
        batch = self._batch
        batch.clear()
        rows: list[int] = []
        for sequence, count in chunks:
            done = sequence.computed
            scored = sequence.unscored
            rows.append(
                batch.add(
                    sequence.slot,
                    done,
                    sequence.tokens[done : done + count],
                    wants_logits=scored or count == sequence.pending,
                    every=scored,
                )
            )
        return rows

    def _decode(self, chunks: list[Chunk]) -> bool:
        """Compute the batch; False if it failed and the sequences were dealt with."""
        self._cache.make_room(self._batch.rows)
        began = time.perf_counter()
        try:
            self._runner.decode(self._batch)
        except KVExhausted:
            self._relieve(chunks)
            return False
        except BackendFault as error:
            log.warning("decode failed", error=error.message, sequences=len(chunks))
            self._isolate(chunks, error)
            return False
        finally:
            self._clock.decode_s += time.perf_counter() - began
        self._computed(chunks, time.perf_counter() - began)
        return True

    def _computed(self, chunks: list[Chunk], seconds: float) -> None:
        """*chunks* were computed in *seconds*: note it, and let others have what is new of prompts."""
        table, prefill_rows = self._table, 0
        for sequence, count in chunks:
            left = sequence.prompt_cells - sequence.computed
            table.grow(sequence, count)
            if count > 1:
                prefill_rows += count
            if left > 0:
                self._clock.prompt_tokens += min(left, count)
                self._cache.prefilled(sequence)
                prompt_went_on(sequence)
        self._cache.stepped(self._batch.rows - prefill_rows, prefill_rows, seconds)

    def _draw(self, chunks: list[Chunk], rows: list[int]) -> None:
        clock = self._clock
        for (sequence, count), row in zip(chunks, rows, strict=True):
            if sequence.slot == NO_SLOT:  # another answer to its request has just failed
                continue
            began = time.perf_counter()
            try:
                if sequence.unscored:
                    echo_scored(self._runner, sequence, row - count + 1, count)
                if sequence.pending:
                    continue
                drawn = self._drawn(sequence, row)
            except NothingToDraw as error:
                self._stuck(sequence, error)
                continue
            except (BackendFault, InvalidRequest) as error:
                self._endings.fail(sequence, error)
                continue
            finally:
                clock.sampler_s += time.perf_counter() - began
            sequence.suspect = False
            if drawn is None:
                sequence.output.end(0)
                self._endings.finish(sequence, "length")
            else:
                self._advance(sequence, *drawn)

    def _drawn(self, sequence: Sequence, row: int) -> tuple[int, TokenLogprob | None] | None:
        """The next token, and how likely it was if that is wanted; None where only the prompt was to be measured."""
        request = sequence.request
        if not request.ends.max_tokens:
            return None
        sampler = sequence.sampler or self._sampler(sequence)
        matcher = sequence.matcher
        if matcher is None:
            token = sampler.sample(row)
        else:
            token = sampler.sample(row, self._masks.of(sequence) if sequence.masked else None)
            matcher.accept(token)
        if request.shown.logprobs is None:
            return token, unscored(self._runner, token) if request.shown.token_ids else None
        return token, score(self._runner, row, token, request.shown.logprobs)

    def _sampler(self, sequence: Sequence) -> Sampler:
        request = sequence.request
        draws = request.draws
        sequence.sampler = self._runner.sampler(
            request.sampling(sequence.index),
            history=request.prompt,
            bias=draws.bias,
            banned=draws.banned,
            banned_draws=draws.banned_draws,
        )
        return sequence.sampler

    def _stuck(self, sequence: Sequence, error: NothingToDraw) -> None:
        """Nothing may be drawn. Where that is only because the end may not come yet, a constrained answer ends."""
        if sequence.masked and self._masks.may_end(sequence):
            sequence.output.end(0)
            self._endings.finish(sequence, "stop")
        else:
            self._endings.fail(sequence, error)

    def _advance(self, sequence: Sequence, token: int, scored: TokenLogprob | None) -> None:
        """*token* was drawn: take it, and what must follow it."""
        if sequence.life.state is RequestState.PREFILL:
            sequence.life.fire(RequestEvent.PROMPT_DONE)
            if sequence.first_token is None:
                sequence.first_token = time.monotonic()
        if sequence.matcher is None:
            self._take(sequence, token, scored, complete=False)
            return
        try:
            self._take(sequence, token, scored, complete=sequence.matcher.finished)
            self._force(sequence, sequence.matcher)
        except (BackendFault, InvalidRequest) as error:
            self._endings.fail(sequence, error)

    def _force(self, sequence: Sequence, matcher: Matcher | ThinkingMatcher) -> None:
        """Take the tokens that can only come next. They are computed together in the next step, and never drawn."""
        form = sequence.request.draws.form
        if sequence.slot == NO_SLOT or form is None or not form.forcing:
            return
        for token in matcher.forced():
            if sequence.slot == NO_SLOT or len(sequence.tokens) >= self._context:
                return
            matcher.accept(token)
            self._take(sequence, token, None, complete=matcher.finished)

    def _take(self, sequence: Sequence, token: int, scored: TokenLogprob | None, *, complete: bool) -> None:
        """*token* comes next: show its text, and end the sequence where it ends.

        Parameters:
            sequence: Gets it.
            token: An end token is one too.
            scored: How likely it was, if that is wanted.
            complete: Whether nothing may follow it but an end token, which then need not be drawn.
        """
        self._clock.generated_tokens += 1
        sequence.tokens.append(token)
        sequence.generated += 1
        ends = sequence.request.ends
        shown = sequence.request.shown.tokens.get(token)
        if token in ends.end_tokens or token in ends.stop_tokens:
            if shown is None:
                sequence.output.end(1, scored)
            else:
                sequence.output.draw(shown, scored, last=True)
            self._endings.finish(sequence, "stop", None if token in ends.end_tokens else token)
            return
        last = complete or sequence.generated >= ends.max_tokens
        stop = sequence.output.draw(shown or self._piece(token), scored, last=last)
        if sequence.output.over:
            self._endings.finish(sequence, "length")
        elif stop is not None:
            self._endings.finish(sequence, "stop", stop)
        elif last:
            self._endings.finish(sequence, "stop" if complete else "length")
        elif self._context_shift and len(sequence.tokens) > self._context:
            self._shift(sequence)

    def _shift(self, sequence: Sequence) -> None:
        """Make room at the end of the context: the oldest tokens go."""
        keep, discard = sequence.request.ends.keep, sequence.discard
        try:
            self._cache.part(sequence)
            self._runner.shift(sequence.slot, keep, discard)
        except KVExhausted:  # what others share it cannot have for itself: it is computed anew when there is room
            sequence.shift(keep, discard)
            self._endings.preempt(sequence)
        except BackendFault as error:
            self._endings.fail(sequence, error)
        else:
            self._table.shift(sequence, keep, discard)

    def _isolate(self, chunks: list[Chunk], error: BackendFault) -> None:
        """One of *chunks* broke the call. Alone, it is the culprit; else each is computed anew in a call of its own."""
        for sequence, _ in chunks:
            if len(chunks) == 1:
                self._endings.fail(sequence, error)
            else:
                sequence.suspect = True
                self._endings.preempt(sequence)

    def _relieve(self, chunks: list[Chunk]) -> None:
        """The pool was full although it should not have been: make room for *chunks*.

        Idle prefixes go first, then the youngest sequence. It comes back in a call of its own, which may fail as often
        as it will without holding up the others.
        """
        if self._cache.relieve():
            return
        concerned = {sequence for sequence, _ in chunks}.union(each for each in self._table.running if each.computed)
        youngest = max(concerned, key=lambda sequence: sequence.id)
        if len(concerned) > 1:
            youngest.suspect = True
            self._endings.preempt(youngest)
        else:
            self._endings.fail(youngest, KVExhausted("the KV pool cannot hold this request alone"))
