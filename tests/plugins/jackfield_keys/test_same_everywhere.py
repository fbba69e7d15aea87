"""Whatever is done to keys, it comes to the same in a file and in the policy store, and no revoked key comes back."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.plugins.jackfield_keys.kept import MemoryStore

from jackfield.errors import JackfieldError
from jackfield.ports.key_issuer import KeyChange
from jackfield_keys.edit import Grant, KeyEditor, KeyFile
from jackfield_keys.stored import StoredKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from jackfield_keys.records import KeyRecord

NAMES = st.sampled_from(["ann", "bob"])
TEXTS = st.sampled_from(["", "search", "a '''quoted''' text", "# [[keys]]", "umlaut ü", "= {a}, $b"])


def seen(record: KeyRecord) -> tuple[str, ...]:
    """What is the same of two keys that were made in the same way."""
    issued = record.issued()
    return (issued.name, issued.state, issued.team, issued.owner, *issued.tags, *issued.scopes)


class Keys(RuleBasedStateMachine):
    """The same calls, to both."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        file = KeyFile(Path(self.folder.name, "keys.toml"), "keys.toml")
        file.create(Grant("first", "", ("embed",), None, None))
        stored = StoredKeys(MemoryStore().open)
        stored.create(Grant("first", "", ("embed",), None, None))
        self.places: tuple[KeyEditor, KeyEditor] = (file, stored)
        self.revoked: tuple[set[str], set[str]] = (set(), set())

    def both(self, call: Callable[[KeyEditor], object]) -> None:
        """Do it to both; they agree on whether it can be done, and why not."""
        outcomes = []
        for place in self.places:
            try:
                call(place)
                outcomes.append("")
            except JackfieldError as error:
                outcomes.append(type(error).__name__)
        assert outcomes[0] == outcomes[1]

    @rule(name=NAMES, team=TEXTS, owner=TEXTS)
    def create(self, name: str, team: str, owner: str) -> None:
        """A key."""
        self.both(lambda keys: keys.create(Grant(name, owner, ("embed",), None, None, team=team)))

    @rule(name=NAMES)
    def revoke(self, name: str) -> None:
        """Take it back."""
        self.both(lambda keys: keys.revoke(name))

    @rule(name=NAMES, blocked=st.booleans())
    def block(self, name: str, *, blocked: bool) -> None:
        """Or let it be good again."""
        self.both(lambda keys: keys.alter(name, KeyChange(blocked=blocked)))

    @rule(name=NAMES, team=TEXTS, tags=st.sampled_from([(), ("a",), ("a", "b")]))
    def change(self, name: str, team: str, tags: tuple[str, ...]) -> None:
        """Whose it is."""
        self.both(lambda keys: keys.alter(name, KeyChange(team=team, tags=tags)))

    @rule(name=NAMES, hours=st.sampled_from([0, 1]))
    def rotate(self, name: str, hours: int) -> None:
        """Another one in its place."""
        self.both(lambda keys: keys.rotate(name, timedelta(hours=hours), None))

    @invariant()
    def they_are_the_same(self) -> None:
        """Whatever was done."""
        one, other = (sorted(map(seen, place.records())) for place in self.places)
        assert one == other

    @invariant()
    def no_revoked_key_comes_back(self) -> None:
        """Nor does any go away."""
        for place, revoked in zip(self.places, self.revoked, strict=True):
            now = {each.digest: each.issued().state for each in place.records()}
            assert all(now[digest] == "revoked" for digest in revoked)
            revoked |= {digest for digest, state in now.items() if state == "revoked"}

    def teardown(self) -> None:
        """Remove the file."""
        self.folder.cleanup()


TestKeys = Keys.TestCase
TestKeys.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
