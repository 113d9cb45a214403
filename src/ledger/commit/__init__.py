"""Group commit: commands are decided in memory and committed in batches."""
