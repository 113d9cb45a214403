"""What every request passes: the check of its caller, the reading of its headers and body, and the replies."""
