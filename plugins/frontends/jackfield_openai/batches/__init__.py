"""``/v1/files`` and ``/v1/batches``: many requests in one file, computed when nobody else wants the model."""
