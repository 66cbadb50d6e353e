-- +goose Up

-- A body is stored once, whatever number of versions have it. While an upload is running its digest is
-- not known yet: sha256 is NULL and expires_at is the lease that each chunk renews.
CREATE TABLE origin.bodies (
    id         uuid        PRIMARY KEY,
    sha256     bytea       UNIQUE CHECK (octet_length(sha256) = 32),
    size       bigint      NOT NULL DEFAULT 0 CHECK (size >= 0),
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((sha256 IS NULL) = (expires_at IS NOT NULL))
);
CREATE INDEX bodies_uploads ON origin.bodies (expires_at) WHERE expires_at IS NOT NULL;

-- Chunks are never changed. Most bytes of the web are compressed already: EXTERNAL keeps PostgreSQL from
-- trying again, and lets it read a chunk without unpacking.
CREATE TABLE origin.chunks (
    body_id  uuid    NOT NULL REFERENCES origin.bodies (id) ON DELETE CASCADE,
    index    integer NOT NULL CHECK (index >= 0),
    checksum bigint  NOT NULL,
    bytes    bytea   NOT NULL,
    PRIMARY KEY (body_id, index)
);
ALTER TABLE origin.chunks ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- Host and path are ASCII and compare by bytes.
CREATE TABLE origin.versions (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    host       text        COLLATE "C" NOT NULL,
    path       text        COLLATE "C" NOT NULL,
    body_id    uuid        REFERENCES origin.bodies (id),
    fields     jsonb       NOT NULL,
    deleted    boolean     NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz,
    CHECK (deleted = (body_id IS NULL))
);
CREATE INDEX versions_address ON origin.versions (host, path, id DESC);
CREATE INDEX versions_body ON origin.versions (body_id);
CREATE INDEX versions_ended ON origin.versions (ended_at) WHERE ended_at IS NOT NULL;

-- The current version of each address that has one. version_id is NULL only inside the transaction that
-- creates the row.
CREATE TABLE origin.objects (
    host       text   COLLATE "C" NOT NULL,
    path       text   COLLATE "C" NOT NULL,
    version_id bigint REFERENCES origin.versions (id),
    PRIMARY KEY (host, path)
);
CREATE INDEX objects_version ON origin.objects (version_id);

-- Bodies that lost a version, and when: what clean-up has to look at. A body may be here and in use.
CREATE TABLE origin.released (
    id      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    body_id uuid        NOT NULL,
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX released_at ON origin.released (at);
CREATE INDEX released_body ON origin.released (body_id, at);

-- +goose Down
DROP TABLE origin.released, origin.objects, origin.versions, origin.chunks, origin.bodies;
