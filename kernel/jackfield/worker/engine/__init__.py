"""The engine: continuous batching with chunked prefill over any ``Runner`` and ``Scheduler``. No sockets in here."""
