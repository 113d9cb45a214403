"""What /readyz holds against the service. The processes of the service use it too, so it imports nothing."""

AGAIN_AND_AGAIN = 3
"""/readyz reports a part of the service that was started again so often within a minute."""
