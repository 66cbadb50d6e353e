-- +goose Up

-- The ID of the token that a purge came with, since names need not be unique: admin for the one of the file, node:NAME
-- for what a node has asked for. Where nobody kept it, it is the name.
ALTER TABLE tiercache.purges ADD COLUMN by_token text;
UPDATE tiercache.purges SET by_token = by_name;
ALTER TABLE tiercache.purges ALTER COLUMN by_token SET NOT NULL;
DROP INDEX tiercache.purges_key;
CREATE UNIQUE INDEX purges_key ON tiercache.purges (by_token, key) WHERE key IS NOT NULL;

-- +goose Down
DROP INDEX tiercache.purges_key;
UPDATE tiercache.purges SET key = NULL; -- two tokens of one name may have used one key
CREATE UNIQUE INDEX purges_key ON tiercache.purges (by_name, key) WHERE key IS NOT NULL;
ALTER TABLE tiercache.purges DROP COLUMN by_token;
