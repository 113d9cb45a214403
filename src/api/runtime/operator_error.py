"""Errors that an operator can correct. The command line prints them in one line, without a traceback."""


class OperatorError(Exception):
    """The message is one line for operators."""
