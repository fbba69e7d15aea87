"""``kv-memory``: computed prefixes in host memory."""
