-- +goose Up

-- What applications call to purge in their own transactions. All of it is SECURITY DEFINER: a caller needs EXECUTE and
-- no right on a table.
--
-- INVARIANT: the search_path of what runs with the owner's rights is fixed, and has pg_temp last. Else a caller's
-- temporary table or type would be found in place of ours, and what belongs to it run with the owner's rights.
-- INVARIANT: no constant has a backslash, but for E'': what it means would be up to the caller's settings.

-- canonical_tag is the one spelling of a tag, byte for byte that of invalidation.CanonicalTag; both are tested with
-- shared/invalidation/testdata/tags.json. NULL when there is none: the tag is empty, or longer than 1024 bytes.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.canonical_tag(tag text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
AS $$
DECLARE
    spelt text COLLATE "C" := tag;
    part  text;
BEGIN
    IF length(tag) NOT BETWEEN 1 AND 1024 THEN
        RETURN NULL;
    END IF;
    IF strpos(spelt, '%') > 0 THEN
        spelt := regexp_replace(spelt, '%(?![0-9A-Fa-f]{2})', '%25', 'g');
        LOOP
            part := substring(spelt FROM '%[0-9A-F]?[a-f][0-9A-Fa-f]?');
            EXIT WHEN part IS NULL;
            spelt := replace(spelt, left(part, 3), upper(left(part, 3)));
        END LOOP;
    END IF;
    spelt := replace(replace(replace(spelt, ' ', '%20'), ',', '%2C'), '"', '%22');
    LOOP -- over the other characters, each of which is replaced wherever it stands
        part := substring(spelt FROM '[^!-~]');
        EXIT WHEN part IS NULL;
        spelt := replace(spelt, part, regexp_replace(upper(encode(tiercache.bytes_of(part), 'hex')), '(..)', E'%\\1', 'g'));
    END LOOP;
    RETURN CASE WHEN octet_length(spelt) <= 1024 THEN spelt END;
END
$$;
-- +goose StatementEnd

-- bytes_of is a text in UTF-8, as it stands in a header field; in a database without an encoding, as it is.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.bytes_of(s text) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN pg_catalog.getdatabaseencoding() = 'SQL_ASCII'
    THEN pg_catalog.decode(pg_catalog.replace(s, E'\\', E'\\\\'), 'escape') ELSE pg_catalog.convert_to(s, 'UTF8') END;
-- +goose StatementEnd

-- enqueue puts a purge into the outbox and returns its id: entries have the ids ID/0, ID/1, ... An entry has at most
-- 4,096 tags (controllog.MaxScopes). Who calls it has fixed the search_path.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.enqueue(purge jsonb, tags text[]) RETURNS text
    LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    id text := gen_random_uuid()::text;
BEGIN
    purge := jsonb_strip_nulls(purge);
    IF tags IS NULL OR cardinality(tags) <= 4096 THEN
        IF tags IS NOT NULL THEN
            purge := purge || jsonb_build_object('tags', tags);
        END IF;
        INSERT INTO tiercache.outbox (id, kind, body) VALUES (id || '/0', 'purge', purge);
    ELSE
        INSERT INTO tiercache.outbox (id, kind, body)
        SELECT id || '/' || c, 'purge', purge || jsonb_build_object('tags', tags[c * 4096 + 1 : (c + 1) * 4096])
        FROM generate_series(0, (cardinality(tags) - 1) / 4096) AS c ORDER BY c;
    END IF;
    RETURN id;
END
$$;
-- +goose StatementEnd

-- checked_mode and checked_service are what a caller gave, or an error that says what is wrong with it.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.checked_mode(mode text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF mode IS NULL OR mode NOT IN ('hard', 'soft') THEN
        RAISE EXCEPTION 'the mode of a purge is hard or soft, and not %', coalesce(quote_literal(left(mode, 40)), 'NULL') USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN mode;
END
$$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION tiercache.checked_service(service text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF service COLLATE "C" !~ '^[a-z0-9_-]{1,64}$' THEN
        RAISE EXCEPTION '% is not the name of a service', quote_literal(left(service, 80)) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN service;
END
$$;
-- +goose StatementEnd

-- invalidate purges tags, of one service or of all, when the caller's transaction commits. It returns the id of the
-- write, for epoch_of; NULL when there are no tags, so that it may be given what array_agg makes of no rows.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.invalidate(tags text[], service text DEFAULT NULL, mode text DEFAULT 'hard') RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    purge jsonb := jsonb_build_object('mode', tiercache.checked_mode(mode), 'service', tiercache.checked_service(service));
    spelt text[];
    wrong record;
BEGIN
    SELECT u.tag, u.n INTO wrong FROM unnest(tags) WITH ORDINALITY AS u (tag, n) WHERE tiercache.canonical_tag(u.tag) IS NULL ORDER BY u.n LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'tag % %', wrong.n, CASE WHEN wrong.tag IS NULL THEN 'is NULL' WHEN wrong.tag = '' THEN 'is empty'
            ELSE 'has more than 1024 bytes when escaped: ' || left(wrong.tag, 40) || '...' END USING ERRCODE = 'invalid_parameter_value';
    END IF;
    spelt := ARRAY(SELECT DISTINCT tiercache.canonical_tag(u.tag) COLLATE "C" FROM unnest(tags) AS u (tag));
    IF cardinality(spelt) > 100000 THEN
        RAISE EXCEPTION 'a purge may name 100000 tags, and this one has %', cardinality(spelt) USING ERRCODE = 'program_limit_exceeded';
    END IF;
    RETURN CASE WHEN cardinality(spelt) > 0 THEN tiercache.enqueue(purge, spelt) END;
END
$$;
-- +goose StatementEnd

-- parse_url is a URL as a cache key has it: host in lower case without port and final dot, path and query byte for byte. It takes
-- what the purge API takes; shared/controllog/testdata/urls.json is what both are tested with.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.parse_url(url text, OUT host text, OUT path text, OUT query text)
    LANGUAGE plpgsql IMMUTABLE
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part   text[];
    reason text;
BEGIN
    part := regexp_match(url COLLATE "C", '^[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)([^?#]*)([?][^#]*)?(#.*)?$');
    host := lower(regexp_replace(part[1], '((?<![]])[.])?(:[0-9]*)?$', '') COLLATE "C");
    path := coalesce(nullif(part[2], ''), '/');
    query := part[3];
    reason := CASE
        WHEN url IS NULL THEN 'it is NULL'
        WHEN octet_length(url) > 16384 THEN 'it is longer than 16384 bytes'
        WHEN url COLLATE "C" !~ '^[!-~]*$' THEN 'it has a space, a control character or a byte that is not ASCII: write it as the request has it, percent-encoded'
        WHEN part IS NULL THEN 'it is no absolute URL: write http://host/path'
        WHEN part[4] IS NOT NULL THEN 'it has a fragment, which no request has'
        WHEN strpos(part[1], '@') > 0 THEN 'it has a user name, which no request has'
        WHEN host = '*' AND query IS NOT NULL THEN 'a path on any host has no query: it stands for all of them'
        WHEN host <> '*' AND (length(host) > 253 OR host COLLATE "C" !~ '^([[][0-9a-f:.]{2,}[]]|[a-z0-9_-]+([.][a-z0-9_-]+)*)$') THEN 'it has no valid host'
    END;
    IF reason IS NOT NULL THEN
        RAISE EXCEPTION 'URL %: %', coalesce(quote_literal(left(url, 80)), ''), reason USING ERRCODE = 'invalid_parameter_value';
    END IF;
END
$$;
-- +goose StatementEnd

-- invalidate_url purges a URL with all its queries or, if it has a query, that one. Host * is any of the origin's.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.invalidate_url(url text, mode text DEFAULT 'hard') RETURNS text
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT tiercache.enqueue(jsonb_build_object('mode', tiercache.checked_mode(mode),
        'urls', jsonb_build_array(jsonb_build_object('host', u.host, 'path', u.path, 'query', u.query))), NULL)
    FROM tiercache.parse_url(url) AS u
$$;
-- +goose StatementEnd

-- invalidate_prefix purges all below a directory: the URL ends with / and has no query.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.invalidate_prefix(url text, mode text DEFAULT 'hard') RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    u record;
BEGIN
    SELECT * INTO u FROM tiercache.parse_url(url);
    IF u.host = '*' OR u.query IS NOT NULL OR right(u.path, 1) <> '/' THEN
        RAISE EXCEPTION 'prefix %: a prefix is of one host, ends with / and has no query', quote_literal(left(url, 80)) USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN tiercache.enqueue(jsonb_build_object('mode', tiercache.checked_mode(mode),
        'prefixes', jsonb_build_array(jsonb_build_object('host', u.host, 'path', u.path))), NULL);
END
$$;
-- +goose StatementEnd

-- epoch_of is the epoch of a write, of its last entry when it has several. It waits for one until the time is over, and
-- is NULL then: the write is not committed, was rolled back, or is older than the log reaches back.
--
-- It never runs sequence(): the lock of that would be the caller's until the end of its transaction, which may be long,
-- and nobody would get an epoch meanwhile. Control gives it within milliseconds.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.epoch_of(id text, wait interval DEFAULT '2 seconds') RETURNS bigint
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    write   text := id;
    until   timestamptz := clock_timestamp() + least(coalesce(wait, '0'), '60 seconds');
    pause   double precision := 0.001;
    epoch   bigint;
    waiting bigint;
    own     bigint;
BEGIN
    LOOP
        -- One statement, so that no entry is missed that moves from the one table to the other meanwhile.
        -- OFFSET 0 keeps the planner from looking for the id along the epochs.
        SELECT (SELECT max(e.epoch) FROM (SELECT l.epoch FROM tiercache.log AS l
                   WHERE l.id = write OR l.id >= write || '/' AND l.id < write || '0' OFFSET 0) AS e),
               count(*), count(*) FILTER (WHERE o.xid = pg_current_xact_id_if_assigned())
            INTO epoch, waiting, own
            FROM tiercache.outbox AS o WHERE o.id = write OR o.id >= write || '/' AND o.id < write || '0';
        IF own > 0 THEN
            RAISE EXCEPTION 'the write % is of this very transaction, and has an epoch only after the commit', write
                USING ERRCODE = 'active_sql_transaction', HINT = 'COMMIT, then ask for the epoch.';
        ELSIF epoch IS NOT NULL AND waiting = 0 THEN
            RETURN epoch;
        ELSIF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'the write % has no epoch as of the snapshot of this transaction, which is %', write, upper(current_setting('transaction_isolation'))
                USING ERRCODE = 'active_sql_transaction', HINT = 'Ask in a transaction that is READ COMMITTED.';
        ELSIF clock_timestamp() >= until THEN
            RETURN NULL;
        END IF;
        PERFORM pg_sleep(least(pause, extract(epoch FROM until - clock_timestamp())));
        pause := least(pause * 1.5, 0.02);
    END LOOP;
END
$$;
-- +goose StatementEnd

-- What is committed and has no epoch yet, and what has one. What a purge names is in words; of what else there is, such
-- as tokens, only the name is shown.
CREATE VIEW tiercache.pending AS
SELECT o.id, o.kind, o.body->>'mode' AS mode, CASE o.kind WHEN 'purge' THEN o.body - 'mode' ELSE jsonb_build_object('name', o.body->>'name') END AS names,
       o.created_at, clock_timestamp() - o.created_at AS age
FROM tiercache.outbox AS o;
CREATE VIEW tiercache.sequenced AS
SELECT l.epoch, l.id, l.kind, l.body->>'mode' AS mode, CASE l.kind WHEN 'purge' THEN l.body - 'mode' WHEN 'term' THEN l.body ELSE jsonb_build_object('name', l.body->>'name') END AS names,
       l.at
FROM tiercache.log AS l;

-- +goose Down
DROP VIEW tiercache.pending, tiercache.sequenced;
DROP FUNCTION tiercache.epoch_of(text, interval), tiercache.invalidate_prefix(text, text), tiercache.invalidate_url(text, text),
    tiercache.parse_url(text), tiercache.invalidate(text[], text, text), tiercache.checked_service(text), tiercache.checked_mode(text),
    tiercache.enqueue(jsonb, text[]), tiercache.canonical_tag(text), tiercache.bytes_of(text);
