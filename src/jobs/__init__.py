"""Jobs of operators: what each was begun with, and for which accounts. No event records that."""
