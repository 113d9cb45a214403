"""The documentation as a site: every page of docs, the API reference, and a search, as files that need no server."""
