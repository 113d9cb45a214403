"""The workers of one service: one of them owns the log, the others forward commands to it."""
