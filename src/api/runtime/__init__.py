"""The processes of the service: settings, server, database, projector, sweeper, shutdown."""
