"""The worker process: one model, one backend, the engine loop. It never decides who may."""
