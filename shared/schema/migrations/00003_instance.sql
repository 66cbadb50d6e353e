-- +goose Up

-- Which process a member is: two with the same name are told apart by what each has drawn at its start. Empty: it
-- was registered by a release that did not say.
ALTER TABLE tiercache.members ADD COLUMN instance text COLLATE "C" NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE tiercache.members DROP COLUMN instance;
