"""Where the events are kept: the codec, the recorder, the log and its SQL. Only this folder knows the event library."""
