package config

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// BindFlags adds one flag to fs for each field of the struct that cfg points to: l1_size becomes
// --l1-size, with the tag `usage` as its help and the field's present value as its default. The flags
// do not write to cfg; Load does. A list is comma separated, and a flag given again adds to it.
func BindFlags(fs *pflag.FlagSet, cfg any) {
	for _, f := range fields(cfg) {
		v := reflect.New(f.value.Type()).Elem()
		v.Set(f.value)
		flag := fs.VarPF(&flagValue{value: v}, f.flag(), "", f.usage)
		if v.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
	}
}

// flagValue is the pflag.Value of one field.
type flagValue struct {
	value   reflect.Value
	changed bool // set by the user: the next value of a list adds to it
}

func (v *flagValue) String() string {
	if v == nil || !v.value.IsValid() {
		return "" // pflag asks the zero value to find out what an empty default looks like
	}
	return format(v.value)
}

// Set reads text; pflag puts the flag's name in front of the error.
func (v *flagValue) Set(text string) error {
	parsed, err := parse(v.value.Type(), text)
	if err != nil {
		return err
	}
	if v.changed && v.value.Kind() == reflect.Slice {
		parsed = reflect.AppendSlice(v.value, parsed)
	}
	v.value.Set(parsed)
	v.changed = true
	return nil
}

// Type is what the help shows after the flag's name.
func (v *flagValue) Type() string {
	t := v.value.Type()
	if t.Kind() == reflect.Slice {
		return "list"
	}
	return strings.ToLower(t.Name())
}
