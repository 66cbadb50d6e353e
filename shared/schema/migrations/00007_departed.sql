-- +goose Up

-- Processes that have left the fleet, by instance, for a while: what one of them had asked for before, and comes late,
-- makes it no member again.
CREATE TABLE tiercache.departed (
    instance text        COLLATE "C" PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- +goose Down
DROP TABLE tiercache.departed;
