"""How read models are moved along the log, built anew and switched."""
