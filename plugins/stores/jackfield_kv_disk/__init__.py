"""``kv-disk``: computed prefixes on disk."""
