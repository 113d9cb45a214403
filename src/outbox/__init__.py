"""What the service sends of its own accord: mail. A rebuild of projections sends nothing again."""
