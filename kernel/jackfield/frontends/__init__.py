"""What HTTP dialects have in common: strict decoding of bodies, streams of events. For frontends, a stranger's too."""
