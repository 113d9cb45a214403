"""What a command does first: it loads its settings and starts its log. Imported with the first command."""

import logging
import os

from api.runtime.processes.logs import start_logging
from api.runtime.settings import Settings, load_settings, unknown_variables, use_config


def loaded_settings(**given: object) -> Settings:
    """The settings of a call, in which options of the command line are `given`. Raises WrongSetting, BadConfigFile."""
    settings = load_settings(**given)
    use_config(os.environ)
    start_logging(settings.log_level, settings.log_format)
    for name in unknown_variables(os.environ):
        logging.getLogger("credit_ledger").warning("%s is not a setting of this program", name)
    return settings
