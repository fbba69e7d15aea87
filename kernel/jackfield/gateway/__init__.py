"""The gateway process: HTTP, the pipeline of a request, and the connections to workers. It never computes."""
