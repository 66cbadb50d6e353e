-- +goose Up

-- What was committed and has no number yet. A writer inserts (id, kind, body) in the transaction that it is
-- about, so that commit means purge and rollback means none. Rows live for milliseconds: the table is small
-- and almost all of what is in it is dead.
CREATE TABLE tiercache.outbox (
    id         text        COLLATE "C" PRIMARY KEY DEFAULT gen_random_uuid()::text CHECK (length(id) BETWEEN 1 AND 200),
    kind       text        NOT NULL CHECK (kind IN ('purge', 'service', 'token')),
    body       jsonb       NOT NULL CHECK (octet_length(body::text) <= 16777216),
    -- The writer's transaction, by which sequence() looks for rows, and the order of rows within it.
    xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
    seq        bigint      GENERATED ALWAYS AS IDENTITY,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000);
CREATE INDEX outbox_xid ON tiercache.outbox (xid, seq);

-- The log. Its newest row is the head. State that changes with each entry is in the entry, and not in a row
-- that is updated: of that one a snapshot that somebody keeps open for hours would keep all versions, and each
-- read would have to pass them.
CREATE TABLE tiercache.log (
    epoch    bigint      PRIMARY KEY CHECK (epoch > 0),
    prev     bigint      NOT NULL CHECK (prev >= 0 AND prev < epoch),
    at       timestamptz NOT NULL,
    -- Not unique: an outbox id that somebody uses twice must not stop the log.
    id       text        COLLATE "C" NOT NULL,
    kind     text        NOT NULL,
    body     jsonb       NOT NULL,
    -- The epoch of the first entry of the term.
    term     bigint      NOT NULL,
    -- In the last row of what was moved at once: which transactions the moving statement saw. What it did not
    -- see is either one of its transactions in progress or newer than all that it knew.
    snapshot pg_snapshot,
    -- The batch was full: the snapshot is that of the batch before, since there may be more to find.
    more     boolean     NOT NULL DEFAULT false
);
CREATE INDEX log_id ON tiercache.log (id);

-- What a service or token entry is about. Load and compaction want the newest entry of each.
CREATE INDEX log_subject ON tiercache.log (kind, (coalesce(body->>'id', body->>'name')), epoch) WHERE kind IN ('service', 'token');

-- Which server the log's present term was made on, and what else is known of the log; one row.
CREATE TABLE tiercache.server (
    one        boolean     PRIMARY KEY DEFAULT true CHECK (one),
    system_id  bigint      NOT NULL, -- of the cluster
    timeline   text        NOT NULL, -- of its WAL
    started_at timestamptz NOT NULL, -- the postmaster's start
    relation   oid         NOT NULL, -- of the log: a restored dump has another
    -- Whether entries were made while a commit did not wait for the disk.
    careless   boolean     NOT NULL DEFAULT false,
    -- The highest epoch that a node was found to have although the log did not.
    heard      bigint      NOT NULL DEFAULT 0,
    -- Entries up to here have been removed, except for the newest of each service and token.
    compacted  bigint      NOT NULL DEFAULT 0
);

-- The log's state in one row. An unsequenced row that is visible to a statement has an xid that is not below
-- the watermark that the same statement sees.
CREATE VIEW tiercache.state AS
SELECT coalesce(l.epoch, 0) AS epoch,
       coalesce(l.term, 0) AS term,
       coalesce(pg_snapshot_xmin(l.snapshot), '0'::xid8) AS watermark,
       l.snapshot,
       s.system_id, s.timeline, s.started_at, s.careless,
       coalesce(s.heard, 0) AS heard,
       coalesce(s.compacted, 0) AS compacted
FROM (SELECT) AS one
LEFT JOIN LATERAL (SELECT epoch, term, snapshot FROM tiercache.log ORDER BY epoch DESC LIMIT 1) AS l ON true
LEFT JOIN LATERAL (SELECT * FROM tiercache.server LIMIT 1) AS s ON true;

-- sequence() gives numbers to what has been committed, and returns the entries that it made. Anybody who may
-- write to the log may run it, at any time; when it has committed, all that was committed before it began has
-- an epoch, unless it returned batch entries or more: then there may be more.
--
-- INVARIANT: rows are found by what a snapshot sees, never by the order of ids, times or epochs: rows commit
-- out of order.
-- INVARIANT: the statement that reads the outbox begins after the lock was got. Else it would not see what the
-- one before moved, and number it twice. So the function needs READ COMMITTED, where each statement has a
-- snapshot of its own, and is VOLATILE, else they would share that of the caller.
-- INVARIANT: the next call looks at what the snapshot that is stored here did not see, and it is the snapshot
-- of the very statement that moved the rows.
-- INVARIANT: a number is told only after the disk has it: synchronous_commit is at least on.
--
-- What it is now is in 00004_sequence.sql.
--
-- Plans are made without looking at how full the outbox seems to be: what is cheap now is a scan of a hundred
-- thousand dead rows later.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.sequence(batch integer DEFAULT 10000)
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
    WITH picked AS MATERIALIZED (
        (SELECT o.ctid AS place FROM tiercache.outbox AS o WHERE o.xid = ANY (running) ORDER BY o.xid, o.seq LIMIT batch)
        UNION ALL
        (SELECT o.ctid FROM tiercache.outbox AS o WHERE o.xid >= next_xid ORDER BY o.xid, o.seq LIMIT batch)
        LIMIT batch
    ), moved AS (
        DELETE FROM tiercache.outbox AS o WHERE o.ctid = ANY (ARRAY(SELECT place FROM picked)) RETURNING o.xid, o.seq, o.id, o.kind, o.body
    ), numbered AS (
        SELECT row_number() OVER (ORDER BY m.xid, m.seq) AS n, count(*) OVER () AS total, m.id, m.kind, m.body FROM moved AS m
    )
    INSERT INTO tiercache.log AS l (epoch, prev, at, id, kind, body, term, snapshot, more)
    SELECT head + n.n, head + n.n - 1, moment, n.id, n.kind, n.body, of_term,
           CASE WHEN n.n < n.total THEN NULL WHEN n.total < batch THEN pg_current_snapshot() ELSE seen END,
           n.n = n.total AND n.total >= batch
    FROM numbered AS n ORDER BY n.n
    RETURNING l.epoch, l.prev, l.at, l.id, l.kind, l.body;
END
$$;
-- +goose StatementEnd

-- new_term decides whether the log's numbers could be handed out twice: whether it goes on where other nodes
-- may have seen it go on differently. If so it notes the server that it is on now, and returns the first epoch
-- of a new term and its body. It needs the lock of sequence().
--
-- INVARIANT: numbers are never used twice. A crash or a restore may have taken back numbers that were told to
-- nodes; those below the clock are jumped over, and those above it have been heard of.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.new_term(head bigint, OUT epoch bigint, OUT body jsonb)
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
    IF head > 0 AND known.started_at = started AND known.timeline = line AND known.relation = place AND known.heard <= head THEN
        RETURN;
    END IF;
    SELECT c.system_identifier INTO system FROM pg_control_system() AS c;
    IF head = 0 THEN
        reason := 'the log begins';
    ELSIF known.system_id IS DISTINCT FROM system THEN
        reason := 'another database cluster';
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
        ON CONFLICT (one) DO UPDATE SET system_id = system, timeline = line, started_at = started, relation = place, careless = false;
    IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
END
$$;
-- +goose StatementEnd

-- hear notes that a node has an epoch that the log has not: the next sequence() begins a term above it.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.hear(heard bigint) RETURNS boolean
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
AS $$
#variable_conflict use_variable
BEGIN
    PERFORM pg_advisory_xact_lock(8388347322923443569);
    UPDATE tiercache.server AS s SET heard = hear.heard
        WHERE s.heard < hear.heard AND hear.heard > (SELECT max(l.epoch) FROM tiercache.log AS l);
    RETURN FOUND;
END
$$;
-- +goose StatementEnd

-- +goose Down
DROP VIEW tiercache.state;
DROP FUNCTION tiercache.sequence(integer), tiercache.new_term(bigint), tiercache.hear(bigint);
DROP TABLE tiercache.server, tiercache.log, tiercache.outbox;
