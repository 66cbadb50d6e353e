package control

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON is huma's format of JSON for bodies whose members are spelled as the description of the API has them. Go's
// decoder ignores case, and so does huma's check: a client that reads its own body as JSON has it would not know what
// {"dry_run": true, "DRY_RUN": false} comes to.
func strictJSON() huma.Format {
	format := huma.DefaultJSONFormat
	format.Unmarshal = func(data []byte, v any) error {
		if err := checkMembers(data, reflect.TypeOf(v).Elem()); err != nil {
			return err
		}
		return json.Unmarshal(data, v)
	}
	return format
}

// checkMembers refuses members of an object that no field of the type is spelled like. Bodies are flat: it does not look
// into members. What is no struct is not read yet, only looked at by huma.
func checkMembers(data []byte, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(members, name)
	}
	for name := range members {
		return fmt.Errorf("%.80q is no member: names are in lower case", name)
	}
	return nil
}
