"""Where published files are kept: created once, whole and durable, never changed."""
