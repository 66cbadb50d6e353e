package config

import (
	"fmt"
	"reflect"
	"strings"
)

// envPrefix starts the name of every variable.
const envPrefix = "TIERCACHE_"

// field is one setting of a configuration struct that a text can express.
type field struct {
	key   string // the YAML name, such as l1_size
	usage string
	value reflect.Value
}

func (f field) env() string  { return envPrefix + strings.ToUpper(f.key) }
func (f field) flag() string { return strings.ReplaceAll(f.key, "_", "-") }

// fields lists the leaves of the struct that cfg points to, in order, those of inlined structs
// included. Anything but a pointer to a struct with distinct names is the caller's bug and panics.
func fields(cfg any) []field {
	v := reflect.ValueOf(cfg)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("config: %T is not a pointer to a struct", cfg))
	}
	list := appendFields(nil, v.Elem())
	seen := make(map[string]bool, len(list))
	for _, f := range list {
		if seen[f.key] {
			panic(fmt.Sprintf("config: %T has two fields %s", cfg, f.key))
		}
		seen[f.key] = true
	}
	return list
}

func appendFields(list []field, v reflect.Value) []field {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		key, inline := yamlName(sf)
		switch {
		case !sf.IsExported() || key == "-":
		case inline:
			list = appendFields(list, v.Field(i))
		case isLeaf(sf.Type):
			list = append(list, field{key: key, usage: sf.Tag.Get("usage"), value: v.Field(i)})
		}
	}
	return list
}

// yamlName is the name of a field in YAML as the decoder sees it, and whether its own fields count as
// the parent's.
func yamlName(sf reflect.StructField) (name string, inline bool) {
	name, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
	for option := range strings.SplitSeq(options, ",") {
		inline = inline || option == "inline"
	}
	if name == "" {
		name = strings.ToLower(sf.Name)
	}
	return name, inline
}
