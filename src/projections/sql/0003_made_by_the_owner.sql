-- The schemas of builds are made by the owner, through the functions below: the service may call them, and make nothing
-- itself. What the role of the service could make, such as a trigger or a function, would run in sessions of others.

-- What makes the tables of each version of a projection: statements of the program, which the owner stores.
CREATE TABLE projections.definitions (
    name       text NOT NULL CHECK (name ~ '^[a-z]+$'),
    version    integer NOT NULL,
    statements text NOT NULL,
    PRIMARY KEY (name, version)
);

-- The name of a build's schema: the live one, `next` or `old`. There are no other names.
CREATE FUNCTION projections.build_schema(projection text, state text) RETURNS text LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM projections.definitions AS d WHERE d.name = projection) THEN
        RAISE EXCEPTION 'there is no projection %', projection USING ERRCODE = 'undefined_object';
    END IF;
    RETURN CASE state
        WHEN 'live' THEN 'projection_' || projection
        WHEN 'next' THEN 'projection_' || projection || '_next'
        WHEN 'old' THEN 'projection_' || projection || '_old'
    END;
END
$$;

-- Make an empty build, live or next, of a version that the owner has defined.
CREATE FUNCTION projections.make_build(projection text, version integer, state text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    build text := projections.build_schema(projection, state);
    definition text;
BEGIN
    SELECT d.statements INTO definition FROM projections.definitions AS d
    WHERE d.name = make_build.projection AND d.version = make_build.version;
    IF definition IS NULL THEN
        RAISE EXCEPTION 'version % of the projection % is not defined: run `credit-ledger migrate`', version, projection
        USING ERRCODE = 'undefined_object';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', build);
    -- Until this function ends. The definition names its tables without a schema; pg_catalog is searched first.
    PERFORM set_config('search_path', quote_ident(build) || ', pg_temp', true);
    EXECUTE definition;
    PERFORM set_config('search_path', 'pg_catalog, pg_temp', true);
    EXECUTE format('INSERT INTO %I.checkpoint (version, position) VALUES ($1, 0)', build) USING version;
    IF to_regrole('credit_ledger_service') IS NOT NULL THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO credit_ledger_service', build);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %I TO credit_ledger_service', build);
    END IF;
END
$$;

-- Drop a build that does not serve, if it exists.
CREATE FUNCTION projections.drop_build(projection text, state text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF state = 'live' THEN
        RAISE EXCEPTION 'the live build of % is not dropped', projection USING ERRCODE = 'insufficient_privilege';
    END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', projections.build_schema(projection, state));
END
$$;

-- Analyze the tables of a next build.
CREATE FUNCTION projections.analyze_build(projection text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    build text := projections.build_schema(projection, 'next');
    name text;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = build LOOP
        EXECUTE format('ANALYZE %I.%I', build, name);
    END LOOP;
END
$$;

-- Make the next build the live one; the live one becomes the old one. The lock: see builds.py.
CREATE FUNCTION projections.switch_builds(projection text) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    live text := projections.build_schema(projection, 'live');
BEGIN
    IF EXISTS (SELECT FROM pg_namespace WHERE nspname = live) THEN
        EXECUTE format('LOCK TABLE %I.checkpoint IN ACCESS EXCLUSIVE MODE', live);
        EXECUTE format('ALTER SCHEMA %I RENAME TO %I', live, projections.build_schema(projection, 'old'));
    END IF;
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', projections.build_schema(projection, 'next'), live);
END
$$;

REVOKE EXECUTE ON FUNCTION projections.build_schema FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION projections.make_build FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION projections.drop_build FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION projections.analyze_build FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION projections.switch_builds FROM PUBLIC;
