"""A hostile role of the service: whoever has its login and wants the rights of the owner."""
