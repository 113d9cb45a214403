"""What every owner of tables needs of PostgreSQL: migrations, roles, named SQL, connections."""
