package schema

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestParseLocation_TakesWhatPostgreSQLsClientsTake(t *testing.T) {
	for _, location := range []string{
		"postgres://h/d", "postgresql://bob:hunter2@h:5432/d", "postgres://bob:hunt%40er2%2F@h/d?sslmode=disable",
		"postgres://bob:hunt@er2@h/d", "postgres://bob@h1:1,[::1]:2,h3/d", "postgres:///d?host=/run/postgresql",
		"host=h user=bob password='hunt er2' dbname=d",
	} {
		if _, err := ParseLocation(location); err != nil {
			t.Errorf("%s: %v", location, err)
		}
	}
}

// A pooler takes no settings of sessions, and nothing that is prepared.
func TestParseLocation_Pooler(t *testing.T) {
	for _, location := range []string{"postgres://bob@h/d?pooler=transaction", "host=h user=bob dbname=d pooler=transaction"} {
		cfg, err := ParseLocation(location)
		if err != nil {
			t.Fatal(err)
		}
		SetSession(cfg.ConnConfig, map[string]string{"application_name": "x", "jit": "off"})
		if got := cfg.ConnConfig.RuntimeParams; len(got) != 1 || got["application_name"] != "x" || cfg.ConnConfig.DefaultQueryExecMode != pgx.QueryExecModeCacheDescribe {
			t.Errorf("%s: %v, mode %v", location, got, cfg.ConnConfig.DefaultQueryExecMode)
		}
	}
	cfg, err := ParseLocation("postgres://bob@h/d")
	if err != nil {
		t.Fatal(err)
	}
	SetSession(cfg.ConnConfig, map[string]string{"jit": "off"})
	if cfg.ConnConfig.RuntimeParams["jit"] != "off" {
		t.Error("without a pooler the settings are lost")
	}
	if cfg, err := ParseLocation("postgres://bob@h/d?pooler=statement"); cfg != nil || !errors.Is(err, ErrLocation) {
		t.Errorf("another kind: %v", err)
	}
}

func TestParseLocation_ErrorsRepeatNoCredentials(t *testing.T) {
	for location, want := range map[string]error{
		"postgres://bob:hun/ter2@h/d":                        ErrCredentials, // a port and a path to the parser
		"postgres://bob:123/hunter2@h/d":                     ErrCredentials, // and to Go's
		"postgres://bob:hun?ter2@h/d":                        ErrCredentials,
		"postgres://bob:hun#ter2@h/d":                        ErrCredentials,
		"postgres://bob:hunter2%zz@h/d":                      ErrCredentials,
		"postgres://bob@h:hunter2/d":                         ErrCredentials,
		"postgres://bob:hunter2@h/d?sslmode=nonsense":        ErrLocation,
		"postgres://h/d?password=hunter2&sslmode=nonsense":   ErrLocation,
		"postgres://h/d?pass%77ord=hunter2&sslmode=nonsense": ErrLocation,
		"host=h user=bob password='hunt er2":                 ErrLocation,
		"bob:hunter2@h/d":                                    ErrLocation,
		"mysql://bob:hunter2@h/d":                            ErrLocation,
	} {
		_, err := ParseLocation(location)
		if !errors.Is(err, want) || strings.Contains(err.Error(), "hun") || strings.Contains(err.Error(), "er2") || strings.Contains(err.Error(), "bob") {
			t.Errorf("%s: %v", location, err)
		}
	}
	if _, err := ParseLocation("postgres://bob:hunter2@h/d?sslmode=nonsense"); err == nil || !strings.Contains(err.Error(), "sslmode") {
		t.Errorf("it does not say what is wrong: %v", err)
	}
}
