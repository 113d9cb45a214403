"""Traces and metrics for a collector of OpenTelemetry, when its standard variables ask for them."""
