"""The dialect passes the frontends' kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from jackfield.testing.kits.frontend import FrontendKit

if TYPE_CHECKING:
    from jackfield.manifest import Table


class TestConformance(FrontendKit):
    """``/completion``, whole and streamed."""

    manifest = 'enabled = ["llamacpp"]'
    needs: ClassVar[Table] = {
        "path": "/completion",
        "body": '{"prompt": "hi"}',
        "stream_body": '{"prompt": "hi", "stream": true}',
        "text": "content",
        "stream_text": "content",
        "end": '"stop":true',
    }
