"""Files of usage as programs write them: their dialects, numbers and times."""
