"""The child processes of a service: how one is forked and named, and what ends it with its parent."""
