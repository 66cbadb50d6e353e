package postgres

import (
	"context"
	"embed"
	"io/fs"

	"tiercache/shared/schema"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date: that of the objects, and that of the log, which writes go to.
func (s *Store) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	pool, err := s.cfg.pool()
	if err != nil {
		return err
	}
	if err := schema.MigrateControl(ctx, pool.ConnConfig); err != nil {
		return err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return schema.Migrate(ctx, pool.ConnConfig, "origin", files)
}
