"""What stops a command and an operator can mend: the command line says it in one line, without a traceback."""


class OperatorError(Exception):
    """Its text is one line, for an operator to read."""
