package schema

import (
	"errors"
	"strings"
	"testing"
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
