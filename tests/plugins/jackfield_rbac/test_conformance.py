"""The book of roles passes the kit, with roles of its options (``jackfield_roles``, ``jackfield_config``)."""

from __future__ import annotations

from typing import ClassVar

from jackfield.testing.kits.config import ConfigKit
from jackfield.testing.kits.roles import RoleBookKit

ENABLED = """
enabled = ["rbac"]
[config.rbac.roles.reader]
scopes = ["models:read"]
models = ["*"]
[config.rbac.roles.writer]
scopes = ["generate", "embed"]
models = ["demo", "other"]
[config.rbac.roles.clerk]
scopes = ["keys:read", "keys:write"]
"""


class TestRoles(RoleBookKit):
    """Three roles."""

    manifest = ENABLED
    needs: ClassVar = {"known": ["reader", "writer", "clerk"]}


class TestConfig(ConfigKit):
    """``[config.rbac]``."""

    manifest = ENABLED
