-- +goose Up

-- Nodes that have joined, from before they serve until they are drained, or fenced for long.
CREATE TABLE tiercache.members (
    node          text        COLLATE "C" PRIMARY KEY,
    tier          text        NOT NULL,
    region        text        NOT NULL,
    addr          text        NOT NULL,
    registered_at timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    applied       bigint      NOT NULL CHECK (applied >= 0),
    state         text        NOT NULL DEFAULT 'serving' CHECK (state IN ('serving', 'leaving'))
) WITH (fillfactor = 50);

-- What was asked for by the purge API. Its entries have the ids ID/0, ID/1, ... in the log.
CREATE TABLE tiercache.purges (
    seq         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text        COLLATE "C" NOT NULL UNIQUE CHECK (id ~ '^[0-9A-Za-z._-]{1,100}$'),
    key         text,       -- of the client, for repeated requests
    by_name     text        NOT NULL,
    by_from     text        NOT NULL,
    request     jsonb       NOT NULL,
    entries     integer     NOT NULL CHECK (entries > 0),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Set when the purge is finished, or else before its entries are removed from the log.
    first_epoch bigint,
    last_epoch  bigint,
    receipt     jsonb,
    finished_at timestamptz
);
CREATE UNIQUE INDEX purges_key ON tiercache.purges (by_name, key) WHERE key IS NOT NULL;
CREATE INDEX purges_unsettled ON tiercache.purges (seq) WHERE first_epoch IS NULL;

-- Versions of service documents. They are never changed.
CREATE TABLE tiercache.services (
    name         text        COLLATE "C" NOT NULL,
    version      integer     NOT NULL CHECK (version > 0),
    source       bytea       NOT NULL,
    document     jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text        NOT NULL,
    activated_at timestamptz, -- when last
    PRIMARY KEY (name, version)
);

-- The version of each service that was activated last. Nodes have it once the log has it.
CREATE TABLE tiercache.active (
    name    text    COLLATE "C" PRIMARY KEY,
    version integer NOT NULL,
    FOREIGN KEY (name, version) REFERENCES tiercache.services (name, version)
);

CREATE TABLE tiercache.tokens (
    id         text        COLLATE "C" PRIMARY KEY,
    name       text        NOT NULL,
    hash       text        NOT NULL UNIQUE,
    roles      text        NOT NULL,
    services   text[]      NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text        NOT NULL,
    revoked_at timestamptz,
    revoked_by text
);

-- Who did what, from where.
CREATE TABLE tiercache.activity (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    who         text        NOT NULL,
    from_addr   text        NOT NULL,
    action      text        NOT NULL,
    subject     text        NOT NULL,
    detail      text        NOT NULL
);

-- +goose Down
DROP TABLE tiercache.activity, tiercache.tokens, tiercache.active, tiercache.services, tiercache.purges, tiercache.members;
