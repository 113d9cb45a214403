"""Exports into files: the log as it is stored, tables of entries, journals of double entries."""
