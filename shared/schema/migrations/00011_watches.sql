-- +goose Up

-- Watching tables. These functions run with their caller's rights: who watches a table owns it.

-- watch_of is the argument of a trigger of a watch, NULL when it cannot be read.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_of(args bytea) RETURNS jsonb
    LANGUAGE plpgsql STABLE STRICT
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    watch jsonb;
BEGIN
    watch := convert_from(substring(args FROM 1 FOR octet_length(args) - 1), getdatabaseencoding());
    RETURN CASE WHEN jsonb_typeof(watch->'templates') = 'array' AND jsonb_typeof(watch->'tags') = 'array' THEN watch END;
EXCEPTION
    WHEN data_exception OR character_not_in_repertoire OR untranslatable_character THEN RETURN NULL;
END
$$;
-- +goose StatementEnd

-- Each trigger of a watch, of parts of tables too.
CREATE VIEW tiercache.watch_triggers AS
SELECT t.tgrelid AS relation, t.tgname AS name, t.tgenabled = 'A' AS always, tiercache.watch_of(t.tgargs) AS watch
FROM pg_trigger AS t WHERE t.tgfoid = 'tiercache.on_change()'::regprocedure AND NOT t.tgisinternal;

-- watch_family is a table with its partitions and all that inherits from it.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_family(relation regclass) RETURNS TABLE (member regclass, kind "char")
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE family (member) AS (
        SELECT relation::oid UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN family AS f ON i.inhparent = f.member
    )
    SELECT f.member::regclass, c.relkind FROM family AS f JOIN pg_class AS c ON c.oid = f.member
$$;
-- +goose StatementEnd

-- watch_above is the watched table that a table is a part of, NULL when there is none.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_above(relation regclass) RETURNS regclass
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE above (member) AS (
        SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = relation
        UNION SELECT i.inhparent FROM pg_inherits AS i JOIN above AS a ON i.inhrelid = a.member
    )
    SELECT a.member::regclass FROM above AS a WHERE EXISTS (SELECT FROM tiercache.watch_triggers AS t WHERE t.relation = a.member) LIMIT 1
$$;
-- +goose StatementEnd

-- watch_in makes each change of a table, by anybody, a purge of the tags that its rows have by the templates, in one
-- service, or in all when that is NULL. It takes the place of a watch that the table has. Partitions and tables that
-- inherit from it are watched with it; for those that come later, call it again.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_in(service text, relation regclass, VARIADIC templates text[]) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    watch jsonb;
    part  record;
BEGIN
    PERFORM tiercache.watchable(relation);
    IF coalesce(cardinality(templates), 0) NOT BETWEEN 1 AND 16 THEN
        RAISE EXCEPTION 'a watch has 1 to 16 templates' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    watch := jsonb_build_object('service', tiercache.checked_service(service), 'templates', to_jsonb(templates),
        'tags', (SELECT jsonb_agg(tiercache.watch_tag(relation, t) ORDER BY n) FROM unnest(templates) WITH ORDINALITY AS u (t, n)),
        'catch_all', (SELECT coalesce(tiercache.canonical_tag('table:' || n.nspname || '.' || c.relname), 'table:' || c.oid)
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = relation));
    FOR part IN SELECT f.member FROM tiercache.watch_family(relation) AS f LOOP
        IF part.member = relation THEN
            PERFORM tiercache.watch_put(part.member, watch);
        ELSE
            PERFORM tiercache.watch_put(part.member, watch || '{"child": true}');
        END IF;
    END LOOP;
END
$$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tiercache.watch(relation regclass, VARIADIC templates text[]) RETURNS void
    LANGUAGE sql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$ SELECT tiercache.watch_in(NULL, relation, VARIADIC templates) $$;
-- +goose StatementEnd

-- watchable raises what stands in the way of watching a table.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watchable(relation regclass) RETURNS void
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    class  pg_class;
    part   regclass;
    reason text;
BEGIN
    SELECT * INTO class FROM pg_class AS c WHERE c.oid = relation;
    reason := CASE
        WHEN relation IS NULL OR class.oid IS NULL THEN 'there is no such table'
        WHEN class.relkind IN ('v', 'm') THEN relation || ' is a view: watch the tables that it shows'
        WHEN class.relkind = 'f' THEN relation || ' is a foreign table, whose rows change elsewhere'
        WHEN class.relkind NOT IN ('r', 'p') THEN relation || ' is not a table'
        WHEN class.relpersistence = 't' THEN relation || ' is a temporary table'
        WHEN class.relnamespace = 'pg_catalog'::regnamespace THEN relation || ' belongs to the system'
        WHEN class.relnamespace = 'tiercache'::regnamespace THEN relation || ' is in the schema of tiercache itself, which is first in the search_path of a user of that name: make it in another'
    END;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'it cannot be watched: %', reason USING ERRCODE = 'wrong_object_type';
    END IF;
    part := tiercache.watch_above(relation);
    IF part IS NOT NULL THEN
        RAISE EXCEPTION '% is watched as a part of %', relation, part USING ERRCODE = 'object_in_use';
    END IF;
    SELECT f.member INTO part FROM tiercache.watch_family(relation) AS f WHERE f.kind = 'f' LIMIT 1;
    IF FOUND THEN -- PostgreSQL has no transition tables for these: a write to one would fail
        RAISE EXCEPTION 'it cannot be watched: % has a foreign table, %, as a part', relation, part USING ERRCODE = 'wrong_object_type';
    END IF;
    SELECT f.member INTO part FROM tiercache.watch_family(relation) AS f JOIN tiercache.watch_triggers AS t ON t.relation = f.member
        WHERE f.member <> relation AND t.watch->'child' IS DISTINCT FROM 'true' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '%, a part of %, has a watch of its own: unwatch it first', part, relation USING ERRCODE = 'object_in_use';
    END IF;
END
$$;
-- +goose StatementEnd

-- watch_put makes the triggers of one table. They are ENABLE ALWAYS: they run where session_replication_role is replica.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_put(relation regclass, watch jsonb) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    kind record;
BEGIN
    FOR kind IN SELECT * FROM (VALUES
        ('tiercache_insert', 'AFTER INSERT', 'REFERENCING NEW TABLE AS tiercache_new'),
        ('tiercache_update', 'AFTER UPDATE', 'REFERENCING OLD TABLE AS tiercache_old NEW TABLE AS tiercache_new'),
        ('tiercache_delete', 'AFTER DELETE', 'REFERENCING OLD TABLE AS tiercache_old'),
        ('tiercache_truncate', 'BEFORE TRUNCATE', '')) AS k (name, event, rows)
    LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER %I %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION tiercache.on_change(%L)',
            kind.name, kind.event, relation, kind.rows, jsonb_strip_nulls(watch));
        EXECUTE format('ALTER TABLE ONLY %s ENABLE ALWAYS TRIGGER %I', relation, kind.name);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- unwatch ends a watch.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.unwatch(relation regclass) RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    above regclass := tiercache.watch_above(relation);
    t     record;
BEGIN
    IF above IS NOT NULL THEN
        RAISE EXCEPTION '% is watched as a part of %', relation, above USING ERRCODE = 'object_in_use';
    ELSIF NOT EXISTS (SELECT FROM tiercache.watch_triggers AS w WHERE w.relation = unwatch.relation) THEN
        RAISE EXCEPTION '% is not watched', coalesce(relation::text, 'NULL') USING ERRCODE = 'undefined_object';
    END IF;
    FOR t IN SELECT w.relation::regclass AS place, w.name FROM tiercache.watch_triggers AS w JOIN tiercache.watch_family(unwatch.relation) AS f ON f.member = w.relation LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.name, t.place);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- watch_problem is what keeps a watch from telling tags, or from seeing all changes; NULL: nothing.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_problem(relation regclass, watch jsonb) RETURNS text
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (SELECT string_agg(p.problem, '; ') FROM (
        SELECT 'its triggers cannot be read' WHERE watch IS NULL
        UNION ALL
        SELECT DISTINCT 'there is no column ' || quote_ident(c) FROM jsonb_array_elements(watch->'tags') AS tag, jsonb_array_elements_text(tag->'columns') AS c
        WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = c AND a.attnum > 0 AND NOT a.attisdropped)
        UNION ALL
        SELECT 'it has the foreign table ' || f.member || ' as a part' FROM tiercache.watch_family(relation) AS f WHERE f.kind = 'f'
        UNION ALL
        SELECT f.member || ' lacks triggers, or has some that are not always enabled' FROM tiercache.watch_family(relation) AS f
        WHERE f.kind <> 'f' AND (SELECT count(*) FROM tiercache.watch_triggers AS t WHERE t.relation = f.member AND t.always) < 4
    ) AS p (problem));
EXCEPTION
    WHEN data_exception OR invalid_parameter_value THEN RETURN 'its triggers cannot be read: ' || SQLERRM;
END
$$;
-- +goose StatementEnd

CREATE VIEW tiercache.watches AS
SELECT w.relation::regclass AS relation, w.watch->>'service' AS service,
       ARRAY(SELECT jsonb_array_elements_text(w.watch->'templates')) AS templates,
       w.watch->>'catch_all' AS catch_all, tiercache.watch_problem(w.relation, w.watch) AS problem
FROM (SELECT DISTINCT ON (t.relation) t.relation, t.watch FROM tiercache.watch_triggers AS t
      WHERE t.watch->'child' IS DISTINCT FROM 'true' OR NOT EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = t.relation)
      ORDER BY t.relation, t.name) AS w;

-- +goose Down
-- +goose StatementBegin
DO $$
DECLARE
    t record;
BEGIN
    FOR t IN SELECT w.relation::regclass AS place, w.name FROM tiercache.watch_triggers AS w LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', t.name, t.place);
    END LOOP;
END
$$;
-- +goose StatementEnd
DROP VIEW tiercache.watches;
DROP FUNCTION tiercache.unwatch(regclass), tiercache.watch(regclass, text[]), tiercache.watch_in(text, regclass, text[]),
    tiercache.watch_put(regclass, jsonb), tiercache.watchable(regclass), tiercache.watch_above(regclass), tiercache.watch_problem(regclass, jsonb),
    tiercache.watch_family(regclass);
DROP VIEW tiercache.watch_triggers;
DROP FUNCTION tiercache.watch_of(bytea);
