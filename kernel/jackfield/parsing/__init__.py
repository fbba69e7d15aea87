"""Building blocks for chat dialects: shaping messages for templates, reading answers, writing grammars of calls."""
