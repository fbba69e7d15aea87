"""Serving pooled models: whole inputs in, one result each, as many in a call as fit."""
