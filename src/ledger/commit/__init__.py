"""Group commit: commands are decided in memory and become durable together."""
