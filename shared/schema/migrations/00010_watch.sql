-- +goose Up

-- A watch is four triggers on a table, and nothing else: what there is to know is in their argument, as JSON, so that it
-- is dropped, renamed and dumped with the table. Members of it:
--   catch_all  the tag for rows that give none
--   service    whose tags are purged; none: those of all
--   templates  as they were given
--   tags       the same, taken apart: format, columns, and which of these are padded with spaces (char(n))
--   child      the table is watched as a part of another one
--
-- INVARIANT: a change of a row is a purge of the tags that it had and of those that it has. Whatever stands in the way of
-- knowing them, the purge is larger, never smaller, and the writer goes on.

-- watch_tag takes a template apart: {column} is a column's value, {{ and }} are braces, all else stays.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_tag(relation regclass, template text) RETURNS jsonb
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part    text;
    pattern text := '';
    names   text[] := '{}';
    unknown text;
BEGIN
    IF template IS NULL OR octet_length(template) NOT BETWEEN 1 AND 1024 THEN
        RAISE EXCEPTION 'a template is a text of 1 to 1024 bytes, such as product:{id}' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR part IN SELECT m[1] FROM regexp_matches(template, '[{][{]|[}][}]|[{][^{}]*[}]|[^{}]+|[{}]', 'g') AS m LOOP
        CASE
            WHEN part IN ('{{', '}}') THEN pattern := pattern || left(part, 1);
            WHEN part IN ('{', '}') THEN
                RAISE EXCEPTION 'template %: a % stands alone', quote_literal(template), part
                    USING ERRCODE = 'invalid_parameter_value', HINT = 'Write it twice to have it in the tag.';
            WHEN left(part, 1) = '{' THEN
                pattern := pattern || '%s';
                names := names || substr(part, 2, length(part) - 2);
            ELSE pattern := pattern || replace(part, '%', '%%');
        END CASE;
    END LOOP;
    SELECT n INTO unknown FROM unnest(names) AS n
        WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = n AND a.attnum > 0 AND NOT a.attisdropped) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'column % of table % does not exist', quote_ident(unknown), relation
            USING ERRCODE = 'undefined_column', DETAIL = 'The template is ' || quote_literal(template) || '.';
    END IF;
    RETURN jsonb_build_object('format', pattern, 'columns', to_jsonb(names), 'padded', to_jsonb(ARRAY(
        SELECT a.attname::text FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = relation AND a.attname = ANY (names) AND coalesce(nullif(t.typbasetype, 0), t.oid) = 'bpchar'::regtype)));
END
$$;
-- +goose StatementEnd

-- watch_query is a query for the tags of a change, as yet unspelt: of the rows of one or two sources, at most one more
-- than a purge may name, NULL for the catch-all. Values have the form that they are shown in, by the type's own output
-- function: what a cast or an operator of somebody's type does would be done with the owner's rights.
--
-- It and what calls it are plpgsql, which keeps the plans of its own statements: a change of one row must not pay for
-- planning them.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_query(watch jsonb, source text, other text DEFAULT NULL) RETURNS text
    LANGUAGE plpgsql STABLE
AS $$
DECLARE
    tag    jsonb;
    col    text;
    names  text;
    shown  text;
    item   text;
    items  text[] := '{}';
    rows   text;
BEGIN
    FOR tag IN SELECT e.v FROM jsonb_array_elements(watch->'tags') AS e (v) LOOP
        names := NULL;
        shown := '';
        FOR col IN SELECT e.v FROM jsonb_array_elements_text(tag->'columns') AS e (v) LOOP
            item := 'r.' || quote_ident(col);
            names := concat_ws(', ', names, item);
            shown := shown || ', ' || CASE WHEN tag->'padded' ? col THEN 'rtrim(format(''%s'', ' || item || '))' ELSE item END;
        END LOOP;
        item := 'left(format(' || quote_literal(tag->>'format') || shown || '), 1025)';
        items := items || CASE WHEN names IS NULL THEN item ELSE 'CASE WHEN num_nulls(' || names || ') = 0 THEN ' || item || ' END' END;
    END LOOP;
    rows := CASE WHEN cardinality(items) = 1 THEN ' (' || items[1] || ')' ELSE ' unnest(ARRAY[' || array_to_string(items, ', ') || '])' END
        || ' COLLATE "C" AS tag FROM ';
    RETURN 'SELECT array_agg(d.tag) FROM (SELECT' || CASE WHEN other IS NULL THEN ' DISTINCT' ELSE '' END || rows || source || ' AS r'
        || coalesce(' UNION SELECT' || rows || other || ' AS r', '') || ' LIMIT 100001) AS d';
END
$$;
-- +goose StatementEnd

-- watch_spell is tags as they are purged, each once.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_spell(tags text[], catch_all text) RETURNS text[]
    LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF cardinality(tags) = 1 THEN
        RETURN ARRAY[coalesce(tiercache.canonical_tag(tags[1]), catch_all)];
    END IF;
    RETURN (SELECT array_agg(s.tag) FROM (
        SELECT DISTINCT coalesce(CASE WHEN octet_length(t) BETWEEN 1 AND 1024 AND t COLLATE "C" ~ '^[!#$&-+.-~-]*$' THEN t
            ELSE tiercache.canonical_tag(t) END, catch_all) COLLATE "C" AS tag
        FROM unnest(tags) AS t) AS s);
END
$$;
-- +goose StatementEnd

-- on_change is what the triggers of a watch run. Its settings make the same value the same tag in every session, and
-- row_security turns a policy that would hide rows, and be run with the owner's rights, into an error.
--
-- What is computed is computed in a block of its own, which takes no transaction id while it only reads. The first
-- insert of a transaction has one too, which does take one; it leaves a lock on the outbox, so that nobody can alter that
-- before the transaction is over and no later insert needs a block: a transaction with more than 64 ids slows the
-- snapshots of the whole server.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.on_change() RETURNS trigger
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET row_security = off
    SET lock_timeout = 0
    SET jit = off
    SET enable_hashagg = off -- to sort is cheaper, by the byte, for one row as for many
    SET datestyle = 'ISO, MDY'
    SET intervalstyle = 'postgres'
    SET timezone = 'UTC'
    SET extra_float_digits = 1
    SET bytea_output = 'hex'
    SET lc_monetary = 'C'
AS $$
DECLARE
    watch   jsonb;
    purge   jsonb;
    tags    text[];
    whole   boolean := false;
    problem text;
BEGIN
    BEGIN
        watch := TG_ARGV[0];
        CASE TG_OP
            WHEN 'INSERT' THEN EXECUTE tiercache.watch_query(watch, 'tiercache_new') INTO tags;
            WHEN 'DELETE' THEN EXECUTE tiercache.watch_query(watch, 'tiercache_old') INTO tags;
            WHEN 'UPDATE' THEN EXECUTE tiercache.watch_query(watch, 'tiercache_new', 'tiercache_old') INTO tags;
            ELSE SELECT * INTO tags, whole FROM tiercache.watch_truncate(watch, TG_RELID);
        END CASE;
        IF cardinality(tags) <= 100000 THEN
            tags := tiercache.watch_spell(tags, watch->>'catch_all');
        END IF;
    EXCEPTION
        WHEN serialization_failure OR deadlock_detected THEN RAISE;
        WHEN OTHERS THEN problem := SQLERRM;
    END;
    IF problem IS NULL AND NOT whole AND tags IS NULL THEN
        RETURN NULL;
    END IF;
    IF problem IS NOT NULL OR whole OR cardinality(tags) > 100000 THEN
        purge := CASE WHEN watch->>'service' IS NULL THEN '{"mode": "hard", "all": true}'
            ELSE jsonb_build_object('mode', 'hard', 'services', jsonb_build_array(watch->>'service')) END;
        tags := NULL;
    ELSE
        purge := jsonb_build_object('mode', 'hard', 'service', watch->>'service');
    END IF;
    IF problem IS NOT NULL THEN
        RAISE WARNING 'tiercache cannot tell the tags of this change of %, and purges % instead: %', TG_RELID::regclass,
            coalesce('service ' || (watch->>'service'), 'everything'), problem
            USING HINT = 'Call tiercache.watch again; tiercache.watches says what is wrong.';
    END IF;
    IF current_setting('tiercache.outbox_locked', true) = pg_current_xact_id()::text THEN
        PERFORM tiercache.enqueue(purge, tags);
        RETURN NULL;
    END IF;
    BEGIN
        PERFORM tiercache.enqueue(purge, tags);
    EXCEPTION
        WHEN serialization_failure OR deadlock_detected THEN RAISE;
        WHEN OTHERS THEN
            RAISE WARNING 'tiercache cannot write to its outbox, and what shows % is NOT purged: %', TG_RELID::regclass, SQLERRM;
            RETURN NULL;
    END;
    PERFORM set_config('tiercache.outbox_locked', pg_current_xact_id()::text, true);
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- watch_truncate tells the tags of all rows of a table that is about to be truncated, or that there are too many. A
-- snapshot that is older than the table's lock does not show all that is removed.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.watch_truncate(watch jsonb, relation regclass, OUT tags text[], OUT whole boolean)
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    source text := CASE WHEN (SELECT c.relkind FROM pg_class AS c WHERE c.oid = relation) = 'p' THEN '' ELSE 'ONLY ' END || relation::text;
BEGIN
    whole := current_setting('transaction_isolation') <> 'read committed';
    IF NOT whole THEN
        EXECUTE 'SELECT count(*) > 100000 FROM (SELECT FROM ' || source || ' LIMIT 100001) AS r' INTO whole;
    END IF;
    IF NOT whole THEN
        EXECUTE tiercache.watch_query(watch, source) INTO tags;
    END IF;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION tiercache.watch_truncate(jsonb, regclass), tiercache.on_change(), tiercache.watch_spell(text[], text),
    tiercache.watch_query(jsonb, text, text), tiercache.watch_tag(regclass, text);
