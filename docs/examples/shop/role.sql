-- The shop's own role and schema. Run it once, as the user that tiercache's control node connects as, or as another
-- that may make roles:
--
--   psql "$(cat data/postgres.url)" -v password=... -f role.sql

\set ON_ERROR_STOP on
BEGIN;

CREATE ROLE shop LOGIN PASSWORD :'password';
GRANT tiercache_writer TO shop; -- to watch its own tables, and to purge

-- Named like the role, so that it is first in the role's search_path.
CREATE SCHEMA shop AUTHORIZATION shop;

COMMIT;
