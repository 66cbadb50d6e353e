package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxList bounds a comma separated list.
const maxList = 1024

// isLeaf reports whether one text can express a value of type t, which is what makes a field settable
// by a variable or a flag.
func isLeaf(t reflect.Type) bool {
	if t.Kind() == reflect.Slice {
		return t.Elem().Kind() != reflect.Slice && isLeaf(t.Elem())
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Float64, reflect.Int, reflect.Int64, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return true
	}
	return false
}

// parse reads text as a value of the leaf type t: the one rule for variables, flags and scalars of the
// YAML file. The errors say what to write.
func parse(t reflect.Type, text string) (reflect.Value, error) {
	if t.Kind() == reflect.Slice {
		return parseList(t, text)
	}
	v := reflect.New(t).Elem()
	switch t {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil {
			return v, fmt.Errorf("%q is not a duration: write a number with a unit, such as 500ms, 10s or 24h", text)
		}
		v.SetInt(int64(d))
		return v, nil
	case reflect.TypeFor[Size]():
		size, err := ParseSize(text)
		v.SetInt(int64(size))
		return v, err
	}
	return v, parseKind(v, text)
}

func parseKind(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		v.SetBool(b)
		return explain(err, text, "true or false")
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		v.SetFloat(f)
		return explain(err, text, "a number such as 0.5")
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		v.SetInt(n)
		return explain(err, text, "a whole number")
	default:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		v.SetUint(n)
		return explain(err, text, "a whole number that is not negative")
	}
}

// explain says what a value should be in place of strconv's wording.
func explain(err error, text, want string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%q is out of range", text)
	default:
		return fmt.Errorf("%q is not %s", text, want)
	}
}

// parseList reads comma separated values; white space around each is dropped, an empty text is an
// empty list.
func parseList(t reflect.Type, text string) (reflect.Value, error) {
	list := reflect.MakeSlice(t, 0, 0)
	if strings.TrimSpace(text) == "" {
		return list, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxList {
		return list, fmt.Errorf("a list has at most %d values", maxList)
	}
	for _, part := range parts {
		v, err := parse(t.Elem(), strings.TrimSpace(part))
		if err != nil {
			return list, err
		}
		list = reflect.Append(list, v)
	}
	return list, nil
}

// format writes a leaf so that parse reads it back.
func format(v reflect.Value) string {
	if v.Kind() != reflect.Slice {
		return fmt.Sprint(v.Interface())
	}
	parts := make([]string, v.Len())
	for i := range parts {
		parts[i] = format(v.Index(i))
	}
	return strings.Join(parts, ",")
}
