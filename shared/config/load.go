package config

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// noDelim is a key delimiter that no key contains: settings are flat.
const noDelim = "."

// Sources is where Load looks besides the defaults.
type Sources struct {
	File    string         // path of a YAML file; empty: none
	Environ []string       // "NAME=value", as os.Environ returns
	Flags   *pflag.FlagSet // parsed; those that were set override everything; nil: none
}

// validator is a configuration that can check itself.
type validator interface{ Validate() error }

// Load fills the struct that cfg points to: the defaults that it holds < src.File < src.Environ <
// src.Flags, then calls its Validate method if there is one. An error names its source: FILE:LINE:COLUMN,
// the variable or the flag. cfg is then partly filled and must not be used.
func Load(cfg any, src Sources) error {
	list := fields(cfg)
	if src.File != "" {
		if err := DecodeFile(src.File, cfg); err != nil {
			return err
		}
	}
	merged, err := merge(list, src)
	if err != nil {
		return err
	}
	for _, f := range list {
		if v := merged.Get(f.key); v != nil { // a nil list comes back as no value at all
			f.value.Set(reflect.ValueOf(v))
		}
	}
	if v, ok := cfg.(validator); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("config: %w", locateInvalid(src.File, err))
		}
	}
	return nil
}

// merge lays variables and flags over the values that the fields have by now. All values are typed
// as their fields.
func merge(list []field, src Sources) (*koanf.Koanf, error) {
	base := make(map[string]any, len(list))
	for _, f := range list {
		base[f.key] = f.value.Interface()
	}
	o := &overrides{list: list}
	layers := []koanf.Provider{confmap.Provider(base, noDelim), o.environ(src.Environ)}
	if src.Flags != nil {
		layers = append(layers, o.flags(src.Flags))
	}
	k := koanf.New(noDelim)
	for _, layer := range layers {
		if err := k.Load(layer, nil); err != nil {
			return nil, fmt.Errorf("merge settings: %w", err)
		}
	}
	return k, errors.Join(o.errs...)
}
