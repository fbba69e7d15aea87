"""What every plugin that declares options with ``jackfield_config`` must pass.

Subclass ``ConfigKit`` in a test module and say which plugin it is about::

    class TestOptions(ConfigKit):
        manifest = 'enabled = ["my-plugin"]'
        name = "my-plugin"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from jackfield.errors import ManifestError
from jackfield.manifest import decode_table
from jackfield.testing.kits.kit import Kit

if TYPE_CHECKING:
    from collections.abc import Mapping


class ConfigKit(Kit):
    """Options are records that cannot change, have defaults, and refuse what they do not know."""

    @pytest.fixture
    def structs(self) -> Mapping[str, type[msgspec.Struct]]:
        """The Structs of the plugins, by instance; of the one called ``name`` where one is named."""
        structs = self.kernel().config_structs()
        return {self.name: structs[self.name]} if self.name else structs

    def test_options_cannot_change_while_the_server_runs(self, structs: Mapping[str, type[msgspec.Struct]]) -> None:
        """The Struct is frozen."""
        for name, struct in structs.items():
            assert struct.__struct_config__.frozen, f"{name}: {struct.__name__} must be declared with frozen=True"

    def test_every_option_has_a_default(self, structs: Mapping[str, type[msgspec.Struct]]) -> None:
        """A plugin can be turned on without a table."""
        for name, struct in structs.items():
            required = [field.name for field in msgspec.structs.fields(struct) if field.required]
            assert not required, f"{name}: {', '.join(required)} must have a default"

    def test_a_misspelt_option_is_refused(self, structs: Mapping[str, type[msgspec.Struct]]) -> None:
        """Never ignored: its author believes it is set."""
        for name, struct in structs.items():
            assert struct.__struct_config__.forbid_unknown_fields, (
                f"{name}: {struct.__name__} must be declared with forbid_unknown_fields=True"
            )
            with pytest.raises(ManifestError, match="no_such_option"):
                decode_table({"no_such_option": 1}, struct, f"config.{name}", lambda _: "here")

    def test_editors_can_complete_them(self, structs: Mapping[str, type[msgspec.Struct]]) -> None:
        """Every type can be written in a JSON Schema."""
        for struct in structs.values():
            assert msgspec.json.schema(struct, schema_hook=lambda _: {"type": "string"})
