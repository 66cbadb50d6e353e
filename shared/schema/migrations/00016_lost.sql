-- +goose Up

-- An epoch that a node has applied and the log has lost, of those that no term says: a data directory that was put back file by
-- file has the identifier and the timeline that it had. NULL: none is known.
ALTER TABLE tiercache.server ADD COLUMN lost bigint;

-- is_lost reports whether the log has jumped over an epoch that somebody has, and has purged nothing since: it lies between an
-- entry and the one behind it. false of what the log has, or has removed, and below its first entry.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.is_lost(epoch bigint) RETURNS boolean
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog
AS $$
#variable_conflict use_variable
DECLARE
    below bigint;
BEGIN
    SELECT l.prev INTO below FROM tiercache.log AS l WHERE l.epoch > is_lost.epoch ORDER BY l.epoch LIMIT 1;
    IF below IS NULL OR below = 0 OR below >= is_lost.epoch THEN
        RETURN false;
    END IF;
    RETURN NOT EXISTS (SELECT FROM tiercache.log AS l WHERE l.epoch > is_lost.epoch AND l.kind = 'term' AND l.body->>'purge' IS NOT NULL);
END
$$;
-- +goose StatementEnd

-- lose notes such an epoch: the next sequence() begins a term that purges everything softly, since nobody knows what the lost
-- entries said. false, and nothing happens, if is_lost says no.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.lose(epoch bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM pg_advisory_xact_lock(8388347322923443569); -- "tiercseq" in ASCII
    UPDATE tiercache.server AS s SET lost = lose.epoch WHERE tiercache.is_lost(lose.epoch);
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- new_term as 00001_log.sql and 00013_chain.sql describe it, and what was lost begins one too.
--
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tiercache.new_term(head bigint, OUT epoch bigint, OUT body jsonb)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
AS $$
#variable_conflict use_column
DECLARE
    known      tiercache.server;
    system     bigint;
    line       text := left(pg_walfile_name(pg_current_wal_insert_lsn()), 8);
    started    timestamptz := pg_postmaster_start_time();
    place      oid := 'tiercache.log'::regclass;
    reason     text;
    effect     text; -- the purge of everything: NULL, soft or hard
BEGIN
    SELECT * INTO known FROM tiercache.server;
    -- The cluster's identifier stands in a file: it is read when the server is not the one that is known, and
    -- within one life of a server it cannot change.
    IF head > 0 AND known.started_at = started AND known.timeline = line AND known.relation = place AND known.heard <= head AND NOT known.branched
        AND known.lost IS NULL THEN
        RETURN;
    END IF;
    SELECT c.system_identifier INTO system FROM pg_control_system() AS c;
    IF head = 0 THEN
        reason := 'the log begins';
    ELSIF known.system_id IS DISTINCT FROM system THEN
        reason := 'another database cluster';
        effect := 'hard';
    ELSIF known.branched THEN
        reason := 'the log has branched: there were other entries under its numbers';
        effect := 'hard';
    ELSIF known.relation <> place THEN
        reason := 'the log was restored from a dump';
        effect := 'soft';
    ELSIF known.timeline <> line THEN
        reason := 'a failover or a restore: WAL timeline ' || line || ' instead of ' || known.timeline;
        effect := 'soft';
    ELSIF known.heard > head THEN
        reason := 'a node has epoch ' || known.heard || ', which the log has not';
        effect := 'soft';
    ELSIF known.lost IS NOT NULL THEN
        reason := 'a node has epoch ' || known.lost || ', which the log has lost';
        effect := 'soft';
    ELSE
        reason := 'the database server was started';
        IF known.careless OR current_setting('fsync') <> 'on' OR current_setting('synchronous_commit') = 'off' THEN
            reason := reason || ', and commits did not wait for the disk';
            effect := 'soft';
        END IF;
    END IF;
    epoch := greatest(head, known.heard, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + 1;
    body := jsonb_strip_nulls(jsonb_build_object('reason', reason, 'purge', effect));
    INSERT INTO tiercache.server AS s (system_id, timeline, started_at, relation) VALUES (system, line, started, place)
        ON CONFLICT (one) DO UPDATE SET system_id = system, timeline = line, started_at = started, relation = place, careless = false, branched = false, lost = NULL;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION tiercache.is_lost(bigint), tiercache.lose(bigint) FROM PUBLIC;

-- +goose Down
-- new_term() stays, and is of no use: this is a step of taking back all.
DROP FUNCTION tiercache.is_lost(bigint), tiercache.lose(bigint);
ALTER TABLE tiercache.server DROP COLUMN lost;
