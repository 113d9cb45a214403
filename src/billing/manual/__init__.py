"""Our own provider: bank transfers that operators confirm, their renewals, and a mode for trying."""
