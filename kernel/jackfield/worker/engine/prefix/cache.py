"""The prefix cache of an engine: what sequences begin with instead of computing it, and what they leave."""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

import structlog

from jackfield.errors import BackendFault
from jackfield.worker.engine.prefix.archive import Archive
from jackfield.worker.engine.prefix.bringing import Bringer
from jackfield.worker.engine.prefix.costs import StateCosts, StepCosts
from jackfield.worker.engine.prefix.counters import CacheCounters
from jackfield.worker.engine.prefix.finding import NOTHING, Finder
from jackfield.worker.engine.prefix.holders import Holders
from jackfield.worker.engine.prefix.residency import PRICE_MIN_S
from jackfield.worker.engine.prefix.saving import Saver
from jackfield.worker.engine.prefix.tokens import packed
from jackfield.worker.engine.prefix.tree import PrefixTree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jackfield.ports.kv_store import StateKey
    from jackfield.ports.reuse import ReusableRunner
    from jackfield.worker.engine.prefix.finding import Found
    from jackfield.worker.engine.prefix.holders import Resident
    from jackfield.worker.engine.prefix.states import State
    from jackfield.worker.engine.prefix.tiers import Tiers
    from jackfield.worker.engine.prefix.tree import Node
    from jackfield.worker.engine.sequence import Sequence

log = structlog.get_logger("jackfield.engine")

WORTH_MIN: Final = 16
"""Tokens from which a prefix is worth keeping, and bringing where that takes more than sharing cells: fewer are
computed as fast. Cells are shared from the first token: what a chat template begins with is 4 % of a prompt of 128."""

BARE_MAX: Final = 1024
"""Ends of prefixes that are remembered although nobody has them."""

LEAVE_MAX: Final = 8
"""Idle prefixes looked at after a step to see whether they should leave the device."""


_CLOSE_S: Final = 2.0
"""How long saving may go on when the worker ends."""


class PrefixCache:
    """Gives sequences their ids and cells, and what of their tokens is computed already. Engine loop thread.

    Parameters:
        runner: The loaded model. Where its ``limits.reuse`` is ``none``, no request may have a scope.
        tiers: Stores below the device.
        keys: What stores, by their index, have from an earlier life.

    Attributes:
        works: Whether anything can be used again at all.
        rewinds: Whether sequences go back only to where a checkpoint was taken.
    """

    def __init__(self, runner: ReusableRunner, tiers: Tiers, keys: Iterable[tuple[int, StateKey]] = ()) -> None:
        reuse = runner.limits.reuse
        self._runner = runner
        self.works = reuse != "none"
        self.rewinds = reuse == "checkpoints"
        self.tiers = tiers
        self.counters = CacheCounters()
        self.tree = PrefixTree(BARE_MAX)
        self.holders = Holders(runner, self.tree, self.counters)
        self.cells = self.holders.cells
        self.costs = StepCosts()
        self.state_costs = StateCosts()
        self.archive = Archive(self.tree, tiers)
        for tier, key in keys:
            self.archive.known(tier, key)
        self.saver = Saver(runner, self.holders, tiers, self.archive, self.state_costs, self.counters)
        self.holders.leaving = self.saver.leaving
        self._least = 1 if self.holders.shares else WORTH_MIN
        self._finder = Finder(reuse, self.cells, self._worth)
        self._bringer = Bringer(runner, self.holders, self.archive, self.state_costs, self.counters)

    # --- before a sequence runs --------------------------------------------------------------------------------------

    def look(self, sequence: Sequence) -> None:
        """See what a waiting *sequence* would find if it started now. Costs nothing while its scope does not change."""
        scope = sequence.scope
        if scope is None or sequence.unscored or sequence.suspect:
            self._set(sequence, NOTHING)
            return
        version = self.tree.version(scope)
        if sequence.prefix.seen != version or self._has_gone_on(sequence.prefix.found):
            sequence.prefix.seen = version
            match = self.tree.match(scope, sequence.prefix.key, len(sequence.tokens) - 1)
            found = self._finder.find(match, self.tiers.is_at_hand) if match.length >= self._least else NOTHING
            if found.length < (WORTH_MIN if found.states else self._least):
                found = NOTHING._replace(known=found.known, covered=found.covered)
            self._set(sequence, found)

    def slow(self, sequence: Sequence) -> list[State]:
        """States that only slow stores have, and that would save *sequence* a good part of its prompt."""
        scope = sequence.scope
        if scope is None or sequence.unscored or not any(tier.blocking for tier in self.tiers):
            return []
        self.look(sequence)
        match = self.tree.match(scope, sequence.prefix.key, len(sequence.tokens) - 1)
        best = self._finder.find(match, lambda state: bool(state.tiers) or state.data is not None)
        if best.length < sequence.prefix.found.length + 2 * WORTH_MIN:
            return []
        states = [*[state for state, _ in best.states], *([best.checkpoint] if best.checkpoint is not None else [])]
        return [state for state in states if not self.tiers.is_at_hand(state)]

    def fetched(self, sequence: Sequence, states: list[State]) -> None:
        """Slow stores have answered for *sequence*, if it still waits: until it starts, *states* stay in memory."""
        sequence.prefix.fetched = states
        for state in states:
            state.awaited += 1
        root = self.tree.roots.get(sequence.scope) if sequence.scope is not None else None
        if root is not None:
            self.tree.changed(root)
        if sequence.life.final or sequence.leaf is not None:
            self.let_go(sequence)

    def let_go(self, sequence: Sequence) -> None:
        """*sequence* has started, or ended before: what was fetched for it need not stay in memory."""
        for state in sequence.prefix.fetched:
            self.archive.let_go(state)
        sequence.prefix.fetched = ()

    def start(self, sequence: Sequence, room: int) -> None:
        """Give a waiting *sequence* an id, and of what it needs what is there.

        Parameters:
            sequence: ``look`` says what it finds.
            room: Cells that it may take which no running sequence holds, besides those of its next tokens.
        """
        self.look(sequence)
        found = sequence.prefix.found
        known = found
        if found.cells > room:
            found = NOTHING
        holder, length = self._begin(found)
        sequence.slot = holder
        sequence.computed = length
        sequence.leaf = self.cells.leaves[holder]
        if sequence.scope is not None and not sequence.suspect:
            sequence.prefix.node = self.tree.grow(self.tree.root(sequence.scope), sequence.prefix.key, length)
            self.tree.hold(sequence.prefix.node, holder)
            self._plan_checkpoints(sequence, known.known)
        self._count(sequence, known, length)
        self.let_go(sequence)

    # --- while it runs -----------------------------------------------------------------------------------------------

    def bound(self, sequence: Sequence, count: int) -> int:
        """How many of *count* tokens are computed at once: as far as the next place a checkpoint is wanted at."""
        stops = [stop for stop in sequence.prefix.stops if stop > sequence.computed]
        return min(count, min(stops) - sequence.computed) if stops else count

    def relieve(self) -> bool:
        """The pool was full all the same: let an idle prefix leave; False if there is none."""
        return self.holders.relieve()

    def make_room(self, rows: int) -> None:
        """Let idle prefixes leave so that *rows* more cells fit."""
        self.holders.make_room(rows)

    def prefilled(self, sequence: Sequence) -> None:
        """Tokens of the prompt of *sequence* were computed: others may have them from now on."""
        node = sequence.prefix.node
        if node is None:
            return
        end = min(sequence.computed, sequence.prompt_cells)
        if node.end < end:
            sequence.prefix.node = node = self.tree.advance(node, sequence.slot, sequence.prefix.key, end)
        if sequence.computed in sequence.prefix.stops:
            sequence.prefix.stops.remove(sequence.computed)
            self._checkpoint(sequence.slot, node)

    def part(self, sequence: Sequence) -> None:
        """The tokens of *sequence* are about to be shifted: it shares nothing any more, and will leave nothing."""
        slot = sequence.slot
        if sequence.prefix.node is not None:
            self.tree.release(sequence.prefix.node, slot)
            sequence.prefix.node = None
        sequence.scope = None
        if self.cells.is_shared(slot):  # what it moves it then has for itself
            self.holders.make_room(sequence.computed)
        self.cells.rest(slot)
        self.cells.drop(slot)
        sequence.leaf = self.cells.begin(slot)
        self.cells.grow(sequence.leaf, sequence.computed)

    # --- when it ends ------------------------------------------------------------------------------------------------

    def leave(self, sequence: Sequence) -> None:
        """A running *sequence* ends, or makes way: what it has computed stays where it is, as long as that pays."""
        node, slot = sequence.prefix.node, sequence.slot
        if node is None or sequence.computed < WORTH_MIN or sequence.suspect:
            self.drop(sequence)
            return
        if node.end < sequence.computed:
            sequence.prefix.key = packed(sequence.tokens)
            node = self.tree.advance(node, slot, sequence.prefix.key, sequence.computed)
        self._part_with(sequence)
        if self._redundant(node, slot):
            self.tree.release(node, slot)
            self.holders.give_back(slot)
        else:
            self.holders.settle(slot, node)
            self._supersede(node)
        self.saver.add(node)

    def drop(self, sequence: Sequence) -> None:
        """A running *sequence* leaves nothing."""
        node, slot = sequence.prefix.node, sequence.slot
        self._part_with(sequence)
        if node is not None:
            self.tree.release(node, slot)
        self.holders.give_back(slot)

    # --- between steps -----------------------------------------------------------------------------------------------

    def stepped(self, decode_rows: int, prefill_rows: int, seconds: float) -> None:
        """A call of the backend took *seconds*: idle prefixes that have cost enough by now leave the device."""
        self.costs.observe(decode_rows, prefill_rows, self.cells.used, seconds)
        residents = self.holders.residents
        if not residents:
            return
        self.holders.meter.step(self.costs.idle_s(decode_rows, prefill_rows))
        for holder, resident in [*islice(residents.items(), LEAVE_MAX)]:
            cells = self.cells.frees(holder)
            if cells:
                if self.saver.spent or not resident.rent.due(cells, self._price(resident, cells)):
                    return
                self.holders.evict(holder)
                self.counters.moved += 1

    def work(self) -> None:
        """Between two steps: save a little of what waits for that, and forget what is only known."""
        self.tree.prune()
        for resident in self.holders.next_to_leave():
            if not resident.saved:
                resident.saved = True
                self.saver.ahead(resident.node)
        self.saver.work()

    def token_s(self) -> float:
        """What a prompt token takes, in seconds; 0 before any was measured."""
        return self.costs.prompt_token_s

    def close(self) -> None:
        """Nothing runs any more: save what may be of use in another life, while there is time; close the stores."""
        until = time.monotonic() + _CLOSE_S
        while self.saver.busy and time.monotonic() < until:
            self.saver.work()
        self.tiers.close()

    def check_integrity(self, running: Iterable[Sequence]) -> None:
        """Raise ``AssertionError`` unless ids, cells, tree and states are consistent."""
        sequences = list(running)
        self.tree.check_integrity()
        self.archive.check_integrity()
        self.holders.check_integrity({sequence.slot for sequence in sequences})
        anchored = {slot: resident.node for slot, resident in self.holders.residents.items()}
        for sequence in sequences:
            if self.cells.length(sequence.slot) != sequence.computed:
                raise AssertionError("a running sequence's cells are not its tokens")
            if self.cells.leaves[sequence.slot] is not sequence.leaf:
                raise AssertionError("a running sequence grows cells of another")
            if sequence.prefix.node is not None:
                anchored[sequence.slot] = sequence.prefix.node
                if sequence.prefix.node.key() != packed(sequence.tokens[: sequence.prefix.node.end]):
                    raise AssertionError("a running sequence is anchored at other tokens")
        held = {holder: node for root in self.tree.roots.values() for node in root.below() for holder in node.holders}
        if held != anchored:
            raise AssertionError("the tree's holders are not those that hold")

    # --- parts -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _set(sequence: Sequence, found: Found) -> None:
        sequence.prefix.found = found
        sequence.computed = found.length

    def _has_gone_on(self, found: Found) -> bool:
        """Whether a running sequence that was *found* has more tokens by now; where not a part of it can be copied."""
        return self.rewinds and found.source is not None and self.cells.length(found.source) != found.copied

    def _worth(self, restored: int, saved: int) -> bool:
        """Whether restoring so many tokens costs less than computing so many."""
        return self.state_costs.restore_s(restored) < saved * self.costs.token_s(self.cells.used)

    def _price(self, resident: Resident, cells: int) -> float:
        """What getting *cells* of *resident* back would cost once they have left, in seconds."""
        restored = self.state_costs.restore_s(cells) if resident.node.states or self.tiers.any else 0.0
        kept = resident.node.states or self.tiers.slow or self.tiers.roomy
        # in a full store it takes the place of as much else, which would have to be computed
        price = restored if kept else restored + cells * self.costs.token_s(self.cells.used)
        return max(price, PRICE_MIN_S)

    def _begin(self, found: Found) -> tuple[int, int]:
        """A running id that holds what was *found*, or nothing; how much it holds."""
        fresh = 0 if self.holders.shares else found.copied
        holder = self.holders.take(found.source) if self.holders.make_room(fresh, found.source) else None
        if holder is None:
            if self._take_over(found) and found.source is not None:
                return found.source, found.length
            found = NOTHING
            holder = self.holders.take()
        if holder is None:
            raise RuntimeError("more sequences run than there are ids")
        length = self._bringer.bring(found, holder)
        if not length:
            self.cells.begin(holder)
        elif found.source is not None:
            self.holders.used(found.source, found.copied)
        return holder, length

    def _take_over(self, found: Found) -> bool:
        """Let a resident run on that there is no room beside; whether it does."""
        if found.source is None or found.source not in self.holders.residents or found.states:
            return False
        if not self._bringer.take_back(found, found.source):
            return False
        self.tree.release(self.holders.wake(found.source).node, found.source)
        self.counters.kept += 1
        return True

    def _count(self, sequence: Sequence, known: Found, length: int) -> None:
        """Note what *sequence* found, and why it was not more."""
        counters = self.counters
        if sequence.prefix.lost:
            counters.recompute("preempted", sequence.prefix.lost - length)
            sequence.prefix.lost = 0
        elif sequence.scope is not None:
            counters.recompute("no_checkpoint" if self.rewinds else "evicted", known.covered - known.length)
            counters.recompute("evicted", known.known - max(known.covered, known.length))
            counters.recompute(self._bringer.short_of, known.length - length)
        if sequence.started is None and sequence.scope is not None:
            counters.lookups += 1
            counters.hits += length > 0
            counters.cached_tokens += length
            if sequence.request.cached is None:
                sequence.request.cached = length

    def _plan_checkpoints(self, sequence: Sequence, known: int) -> None:
        """Where prompts part, and at the end of the prompt: there others will want to go on."""
        if self.rewinds:
            wanted = {known, sequence.prompt_cells - 1}
            sequence.prefix.stops |= {stop for stop in wanted if stop >= sequence.computed + WORTH_MIN}

    def _checkpoint(self, slot: int, node: Node) -> None:
        if node.checkpoint is not None or node.end != self.cells.length(slot):
            return
        try:
            data = self._runner.checkpoint(slot)
        except BackendFault as error:
            log.warning("no checkpoint could be taken", error=error.message)
        else:
            self.archive.keep_checkpoint(node, data)

    @staticmethod
    def _part_with(sequence: Sequence) -> None:
        sequence.prefix.node = sequence.leaf = None
        sequence.prefix.stops.clear()

    def _redundant(self, node: Node, slot: int) -> bool:
        """Whether somebody else has all that *slot* has, in a form that is as good."""
        if not self.rewinds:
            return node.held > 1
        end = node.end
        return any(each != slot and self.cells.length(each) == end for each in node.holders)

    def _supersede(self, node: Node) -> None:
        """Residents that hold nothing but a beginning of what a new one at *node* holds go."""
        if self.rewinds:
            return
        for each in [*node.path()][1:]:
            for holder in [holder for holder in each.holders if holder in self.holders.residents]:
                self.saver.discard(each)  # saving all of it saves its beginning
                self.holders.evict(holder)
