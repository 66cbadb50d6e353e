-- +goose Up

-- grant_rights gives the group roles their rights, and PUBLIC none. It makes the roles where it may; what it could not do
-- it returns, a line each. It may be run again at any time by who owns the schema.
--
--   tiercache_writer  purges and watches its own tables: EXECUTE on functions, no right on any table
--   tiercache_reader  looks at tiercache.pending, sequenced and watches, and asks for epochs
--
-- Control and the origin are the schema's owner, or members of it.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.grant_rights() RETURNS SETOF text
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    target    text;
    functions text;
    views     text;
BEGIN
    REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tiercache FROM PUBLIC;
    REVOKE ALL ON ALL TABLES IN SCHEMA tiercache FROM PUBLIC;
    REVOKE ALL ON SCHEMA tiercache FROM PUBLIC;
    FOREACH target IN ARRAY ARRAY['tiercache_writer', 'tiercache_reader'] LOOP
        functions := 'tiercache.epoch_of(text, interval), tiercache.watch_of(bytea), tiercache.watch_family(regclass)';
        views := 'tiercache.watch_triggers';
        IF target = 'tiercache_writer' THEN
            functions := functions || ', tiercache.invalidate(text[], text, text), tiercache.invalidate_url(text, text), tiercache.invalidate_prefix(text, text), '
                'tiercache.canonical_tag(text), tiercache.bytes_of(text), tiercache.checked_service(text), '
                'tiercache.watch(regclass, text[]), tiercache.watch_in(text, regclass, text[]), tiercache.unwatch(regclass), tiercache.on_change(), '
                'tiercache.watchable(regclass), tiercache.watch_above(regclass), tiercache.watch_tag(regclass, text), tiercache.watch_put(regclass, jsonb)';
        ELSE
            functions := functions || ', tiercache.watch_problem(regclass, jsonb)';
            views := views || ', tiercache.pending, tiercache.sequenced, tiercache.watches';
        END IF;
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = target) THEN
                BEGIN
                    EXECUTE format('CREATE ROLE %I NOLOGIN', target);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN -- made for another database at this very moment
                    NULL;
                END;
            END IF;
            EXECUTE format('GRANT USAGE ON SCHEMA tiercache TO %I', target);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', functions, target);
            EXECUTE format('GRANT SELECT ON %s TO %I', views, target);
        EXCEPTION WHEN insufficient_privilege OR undefined_object THEN
            RETURN NEXT format('role %s: %s; ask somebody with CREATEROLE for CREATE ROLE %I NOLOGIN, then run SELECT tiercache.grant_rights()', target, SQLERRM, target);
        END;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
DO $$
DECLARE
    problem text;
BEGIN
    FOR problem IN SELECT tiercache.grant_rights() LOOP
        RAISE WARNING '%', problem;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION tiercache.grant_rights();
