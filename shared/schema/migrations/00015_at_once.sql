-- +goose Up

-- sequence_at_once is sequence() as the last statement of a writer's own transaction: what that has written gets its epochs
-- in it, and is in the log the moment that it is committed. It waits a few milliseconds for somebody who is at it: a poll, or
-- another writer, takes about one. After that, or when it fails, it does nothing, and what was written gets its epochs after
-- the commit, like everybody's: a writer does not wait for a backlog to be worked off, nor for all the commits before its own
-- where commits wait for a standby.
--
-- INVARIANT: the transaction writes nothing to the outbox afterwards. The snapshot that is kept with the log's last entry
-- says of the transaction that all its rows were looked at.
--
-- +goose StatementBegin
CREATE FUNCTION tiercache.sequence_at_once(batch integer)
    RETURNS TABLE (epoch bigint, prev bigint, at timestamptz, id text, kind text, body jsonb, prev_chain bigint, chain bigint)
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog
    SET lock_timeout = '5ms'
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(8388347322923443569); -- "tiercseq" in ASCII
    RETURN QUERY SELECT * FROM tiercache.sequence(batch);
EXCEPTION WHEN OTHERS THEN
    RETURN; -- who sequences next says what is wrong
END
$$;
-- +goose StatementEnd

REVOKE ALL ON FUNCTION tiercache.sequence_at_once(integer) FROM PUBLIC;

-- +goose Down
DROP FUNCTION tiercache.sequence_at_once(integer);
