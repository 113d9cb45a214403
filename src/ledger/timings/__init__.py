"""How long things take, counted so cheaply that nobody has to turn it off."""
