"""PostgreSQL for every owner of tables: migrations, roles, named SQL, connections."""
