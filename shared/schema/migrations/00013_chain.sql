-- +goose Up

-- Each entry carries a hash of itself and all that is before it, and that of the entry before: two logs with the same
-- numbers and different entries differ in it, from the first entry on in which they do. Numbers alone do not tell them
-- apart: a server that was copied, or set back together with its memory, goes on with the same ones.
--
-- A hash is made once, here, and compared by nodes; nobody makes it again. So it need not be the same on other versions of
-- PostgreSQL, and 64 bits suffice. NULL: the entry is from before the log had hashes, or is the first one behind those.
ALTER TABLE tiercache.log ADD COLUMN prev_chain bigint, ADD COLUMN chain bigint;

-- What is to be made known by the next term: the log has branched.
ALTER TABLE tiercache.server ADD COLUMN branched boolean NOT NULL DEFAULT false;

CREATE OR REPLACE VIEW tiercache.state AS
SELECT coalesce(l.epoch, 0) AS epoch,
       coalesce(l.term, 0) AS term,
       coalesce(pg_snapshot_xmin(l.snapshot), '0'::xid8) AS watermark,
       l.snapshot,
       s.system_id, s.timeline, s.started_at, s.careless,
       coalesce(s.heard, 0) AS heard,
       coalesce(s.compacted, 0) AS compacted,
       l.chain
FROM (SELECT) AS one
LEFT JOIN LATERAL (SELECT epoch, term, snapshot, chain FROM tiercache.log ORDER BY epoch DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT * FROM tiercache.server LIMIT 1) AS s ON true;

-- chain_step is the hash of an entry behind one with the hash chain; before is that of the entry before the first one.
-- 0 means that there is none, on nodes, so it is never one.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.chain_step(chain bigint, before bigint, entry text) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE -- without SET, which would cost more than all it does; who calls it has fixed the search_path
AS $$
BEGIN
    RETURN coalesce(nullif(hashtextextended(entry, coalesce(chain, before, 0)), 0), 1);
END
$$;
-- +goose StatementEnd

-- chain_of is the hash of each entry of a batch: chain_of(before, entry) OVER (ORDER BY epoch).
CREATE AGGREGATE tiercache.chain_of(before bigint, entry text) (SFUNC = tiercache.chain_step, STYPE = bigint);

-- chain_text is what the hash of an entry is made of.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.chain_text(epoch bigint, prev bigint, at timestamptz, id text, kind text, body jsonb) RETURNS text
    LANGUAGE sql STABLE
RETURN concat_ws(' ', epoch, prev, (extract(epoch FROM at) * 1000)::bigint, length(id), id, kind, body);
-- +goose StatementEnd

-- sequence() as 00001_log.sql describes it, with the same rules, and hashes.
DROP FUNCTION tiercache.sequence(integer);
-- +goose StatementBegin
CREATE FUNCTION tiercache.sequence(batch integer DEFAULT 10000)
    RETURNS TABLE (epoch bigint, prev bigint, at timestamptz, id text, kind text, body jsonb, prev_chain bigint, chain bigint)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    SET jit = off -- to compile a plan takes a hundred times as long as to run it
AS $$
#variable_conflict use_column
DECLARE
    head     bigint := 0;
    of_term  bigint := 0;
    link     bigint;      -- the hash of the head
    seen     pg_snapshot; -- NULL: look at all rows
    behind   boolean;     -- a snapshot without rows is worth to be kept
    begun    record;
    next_xid xid8;
    running  xid8[];
    now_seen pg_snapshot;
    pending  boolean;
    moment   timestamptz;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'tiercache.sequence() needs a transaction that is READ COMMITTED, and this one is %', upper(current_setting('transaction_isolation'))
            USING ERRCODE = 'active_sql_transaction', HINT = 'BEGIN ISOLATION LEVEL READ COMMITTED';
    END IF;
    PERFORM pg_advisory_xact_lock(8388347322923443569); -- "tiercseq" in ASCII

    SELECT l.epoch, l.term, l.snapshot, l.more, l.chain INTO head, of_term, seen, behind, link FROM tiercache.log AS l ORDER BY l.epoch DESC LIMIT 1;
    head := coalesce(head, 0);
    moment := date_trunc('milliseconds', clock_timestamp());
    SELECT * INTO begun FROM tiercache.new_term(head);
    IF begun.epoch IS NOT NULL THEN
        seen := NULL; -- transaction ids may have begun anew
        RETURN QUERY INSERT INTO tiercache.log AS l (epoch, prev, at, id, kind, body, term, prev_chain, chain)
            VALUES (begun.epoch, head, moment, 'term/' || begun.epoch, 'term', begun.body, begun.epoch, link,
                tiercache.chain_step(NULL, link, tiercache.chain_text(begun.epoch, head, moment, 'term/' || begun.epoch, 'term', begun.body) COLLATE "C"))
            RETURNING l.epoch, l.prev, l.at, l.id, l.kind, l.body, l.prev_chain, l.chain;
        SELECT l.chain INTO link FROM tiercache.log AS l WHERE l.epoch = begun.epoch;
        head := begun.epoch;
        of_term := begun.epoch;
        behind := true;
    END IF;

    next_xid := coalesce(pg_snapshot_xmax(seen), '0'::xid8);
    running := ARRAY(SELECT pg_snapshot_xip(seen));
    SELECT pg_current_snapshot(),
           EXISTS (SELECT FROM tiercache.outbox AS o WHERE o.xid >= next_xid)
               OR EXISTS (SELECT FROM tiercache.outbox AS o WHERE o.xid = ANY (running))
        INTO now_seen, pending;
    IF NOT pending THEN
        IF behind THEN
            UPDATE tiercache.log AS l SET snapshot = now_seen, more = false WHERE l.epoch = head;
        END IF;
        RETURN;
    END IF;

    IF current_setting('fsync') <> 'on' OR current_setting('synchronous_commit') = 'off' THEN
        UPDATE tiercache.server SET careless = true WHERE NOT careless;
    END IF;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    -- Rows that conflict were written one after the other, so that they have ascending xids: see the writers.
    RETURN QUERY
    WITH picked AS MATERIALIZED ( -- one more than are moved tells whether there is more
        (SELECT o.ctid AS place, o.xid, o.seq FROM tiercache.outbox AS o WHERE o.xid = ANY (running) ORDER BY o.xid, o.seq LIMIT batch + 1)
        UNION ALL
        (SELECT o.ctid, o.xid, o.seq FROM tiercache.outbox AS o WHERE o.xid >= next_xid ORDER BY o.xid, o.seq LIMIT batch + 1)
        LIMIT batch + 1
    ), moved AS (
        DELETE FROM tiercache.outbox AS o WHERE o.ctid = ANY (ARRAY(SELECT p.place FROM picked AS p ORDER BY p.xid, p.seq LIMIT batch))
        RETURNING o.xid, o.seq, o.id, o.kind, o.body
    ), numbered AS (
        SELECT row_number() OVER (ORDER BY m.xid, m.seq) AS n, count(*) OVER () AS total, (SELECT count(*) > batch FROM picked) AS full_up,
               m.id, m.kind, m.body
        FROM moved AS m
    ), chained AS (
        SELECT n.*, tiercache.chain_of(link, tiercache.chain_text(head + n.n, head + n.n - 1, moment, n.id, n.kind, n.body) COLLATE "C") OVER (ORDER BY n.n) AS chain
        FROM numbered AS n
    )
    INSERT INTO tiercache.log AS l (epoch, prev, at, id, kind, body, term, snapshot, more, prev_chain, chain)
    SELECT head + c.n, head + c.n - 1, moment, c.id, c.kind, c.body, of_term,
           CASE WHEN c.n < c.total THEN NULL WHEN c.full_up THEN seen ELSE pg_current_snapshot() END,
           c.n = c.total AND c.full_up, lag(c.chain, 1, link) OVER (ORDER BY c.n), c.chain
    FROM chained AS c ORDER BY c.n
    RETURNING l.epoch, l.prev, l.at, l.id, l.kind, l.body, l.prev_chain, l.chain;
END
$$;
-- +goose StatementEnd

-- new_term as 00001_log.sql describes it. When the log has branched, stamps of the lost branch cannot be told from those
-- of this one: all that was stamped before is dead.
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
    IF head > 0 AND known.started_at = started AND known.timeline = line AND known.relation = place AND known.heard <= head AND NOT known.branched THEN
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
        ON CONFLICT (one) DO UPDATE SET system_id = system, timeline = line, started_at = started, relation = place, careless = false, branched = false;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END
$$;
-- +goose StatementEnd

-- branched notes that a node has a history in which the entry of that epoch has another hash: the next sequence() begins a
-- term. false, and nothing happens, if the log has that entry with that hash, has none of that epoch, or has purged
-- everything hard since: whatever the stamps of that branch are, they are dead already.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.branched(epoch bigint, chain bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM pg_advisory_xact_lock(8388347322923443569);
    UPDATE tiercache.server AS s SET branched = true
        WHERE EXISTS (SELECT FROM tiercache.log AS l WHERE l.epoch = branched.epoch AND l.chain <> branched.chain)
            AND NOT EXISTS (SELECT FROM tiercache.log AS l WHERE l.epoch > branched.epoch AND l.kind = 'term' AND l.body->>'purge' = 'hard');
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- What was made here is for the schema's owner, as the rest of the log.
REVOKE ALL ON FUNCTION tiercache.sequence(integer), tiercache.branched(bigint, bigint), tiercache.chain_step(bigint, bigint, text),
    tiercache.chain_of(bigint, text), tiercache.chain_text(bigint, bigint, timestamptz, text, text, jsonb) FROM PUBLIC;

-- +goose Down
-- sequence() and new_term() stay, and are of no use: this is a step of taking back all.
DROP FUNCTION tiercache.branched(bigint, bigint);
DROP AGGREGATE tiercache.chain_of(bigint, text);
DROP FUNCTION tiercache.chain_step(bigint, bigint, text), tiercache.chain_text(bigint, bigint, timestamptz, text, text, jsonb);
DROP VIEW tiercache.state;
CREATE VIEW tiercache.state AS SELECT;
ALTER TABLE tiercache.server DROP COLUMN branched;
ALTER TABLE tiercache.log DROP COLUMN prev_chain, DROP COLUMN chain;
