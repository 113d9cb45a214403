"""Read models that are computed from the events. All of them can be dropped and rebuilt from the log."""
