package config

import (
	"fmt"

	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// overrides makes the layers of variables and flags for the fields in list. Its layers put what is
// wrong with a value into errs while they are loaded, because a provider cannot return an error for
// one value.
type overrides struct {
	list []field
	errs []error
}

// environ is the layer of variables, "NAME=value" each.
func (o *overrides) environ(variables []string) koanf.Provider {
	byName := make(map[string]field, len(o.list))
	for _, f := range o.list {
		byName[f.env()] = f
	}
	return env.Provider(noDelim, env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return variables },
		TransformFunc: func(name, text string) (string, any) {
			f, ok := byName[name]
			if !ok {
				return "", nil // another tier's
			}
			return o.read(f, "variable "+name, text)
		},
	})
}

// flags is the layer of flags; the provider leaves out those that were not set.
func (o *overrides) flags(set *pflag.FlagSet) koanf.Provider {
	byName := make(map[string]field, len(o.list))
	for _, f := range o.list {
		byName[f.flag()] = f
	}
	return posflag.ProviderWithFlag(set, noDelim, nil, func(flag *pflag.Flag) (string, any) {
		f, ok := byName[flag.Name]
		if !ok {
			return "", nil // the command's own
		}
		if own, ok := flag.Value.(*flagValue); ok && own.value.Type() == f.value.Type() {
			return f.key, own.value.Interface()
		}
		return o.read(f, "flag --"+flag.Name, flag.Value.String())
	})
}

// read returns what a layer wants for one value: its key and typed value, or an empty key.
func (o *overrides) read(f field, source, text string) (string, any) {
	v, err := parse(f.value.Type(), text)
	if err != nil {
		o.errs = append(o.errs, fmt.Errorf("%s: %w", source, err))
		return "", nil
	}
	return f.key, v.Interface()
}
