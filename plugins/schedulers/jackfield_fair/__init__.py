"""``fair``: weighted sharing, priorities, bounded latency."""
