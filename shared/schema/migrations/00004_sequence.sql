-- +goose Up

-- sequence() as 00001_log.sql describes it, with the same rules. A batch that is just full and has taken all there was
-- is now one that has seen all: before, it kept the snapshot of the batch before it until somebody called again, and
-- each lookup of an object passed all rows that had been moved since.
--
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tiercache.sequence(batch integer DEFAULT 10000)
    RETURNS TABLE (epoch bigint, prev bigint, at timestamptz, id text, kind text, body jsonb)
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

    SELECT l.epoch, l.term, l.snapshot, l.more INTO head, of_term, seen, behind FROM tiercache.log AS l ORDER BY l.epoch DESC LIMIT 1;
    head := coalesce(head, 0);
    moment := date_trunc('milliseconds', clock_timestamp());
    SELECT * INTO begun FROM tiercache.new_term(head);
    IF begun.epoch IS NOT NULL THEN
        seen := NULL; -- transaction ids may have begun anew
        INSERT INTO tiercache.log (epoch, prev, at, id, kind, body, term)
            VALUES (begun.epoch, head, moment, 'term/' || begun.epoch, 'term', begun.body, begun.epoch);
        RETURN QUERY SELECT l.epoch, l.prev, l.at, l.id, l.kind, l.body FROM tiercache.log AS l WHERE l.epoch = begun.epoch;
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
    )
    INSERT INTO tiercache.log AS l (epoch, prev, at, id, kind, body, term, snapshot, more)
    SELECT head + n.n, head + n.n - 1, moment, n.id, n.kind, n.body, of_term,
           CASE WHEN n.n < n.total THEN NULL WHEN n.full_up THEN seen ELSE pg_current_snapshot() END,
           n.n = n.total AND n.full_up
    FROM numbered AS n ORDER BY n.n
    RETURNING l.epoch, l.prev, l.at, l.id, l.kind, l.body;
END
$$;
-- +goose StatementEnd

-- +goose Down
-- The function that was replaced has the same effects.
SELECT;
