-- +goose Up

-- backlog is what is committed and has no number yet: how many rows, counted up to most, and how long ago the transaction of
-- the oldest of those began, in seconds. It looks only at what the last sequence() has not seen, by the index, as the
-- next one will, and its plan is made without looking at how full the outbox seems to be.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.backlog(most integer, OUT waiting integer, OUT oldest double precision)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    SET jit = off
AS $$
DECLARE
    seen     pg_snapshot;
    next_xid xid8;
    running  xid8[];
BEGIN
    SELECT s.snapshot INTO seen FROM tiercache.state AS s;
    next_xid := coalesce(pg_snapshot_xmax(seen), '0'::xid8);
    running := ARRAY(SELECT pg_snapshot_xip(seen));
    SELECT count(*)::integer, coalesce(extract(epoch FROM clock_timestamp() - min(w.created_at)), 0)::double precision
        INTO waiting, oldest
        FROM ((SELECT o.created_at FROM tiercache.outbox AS o WHERE o.xid = ANY (running) ORDER BY o.xid, o.seq LIMIT most)
            UNION ALL
            (SELECT o.created_at FROM tiercache.outbox AS o WHERE o.xid >= next_xid ORDER BY o.xid, o.seq LIMIT most)
            LIMIT most) AS w;
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION tiercache.backlog(integer) FROM PUBLIC;

-- +goose Down
DROP FUNCTION tiercache.backlog(integer);
