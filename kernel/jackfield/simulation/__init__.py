"""Schedulers without a model: a trace of requests, an engine of plain numbers by the same rules, figures."""
