package policy

import (
	"slices"
	"strings"
	"testing"

	"tiercache/shared/encoding"
)

func TestValidate_Negotiation(t *testing.T) {
	for want, change := range map[string]func(*Service){
		`compress[0]: "deflate"`:              func(s *Service) { s.Compress = []string{"deflate"} },
		`compress[1]: "br" is listed twice`:   func(s *Service) { s.Compress = []string{"br", "br"} },
		`languages[0]: "d_e"`:                 func(s *Service) { s.Languages = []string{"d_e"} },
		`languages[0]: ""`:                    func(s *Service) { s.Languages = []string{""} },
		`languages[0]: "*"`:                   func(s *Service) { s.Languages = []string{"*"} },
		`languages[0]: "1e"`:                  func(s *Service) { s.Languages = []string{"1e"} },
		`languages[0]: "de-"`:                 func(s *Service) { s.Languages = []string{"de-"} },
		`languages[2]: "DE" is listed twice`:  func(s *Service) { s.Languages = []string{"de", "en-GB", "DE"} },
		`languages: 33 languages: at most 32`: func(s *Service) { s.Languages = make([]string, 33) },
		"": func(s *Service) {
			s.Compress, s.Languages = []string{"gzip", "zstd", "br"}, []string{"de", "zh-Hant-TW", "es-419"}
		},
	} {
		s := Service{Name: "a", Hosts: []string{"*"}, Upstream: UpstreamOrigin}
		change(&s)
		if err := s.Validate(); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What a document may list is what there is an encoder for.
func TestCodings_AreThoseThatBodiesCanHave(t *testing.T) {
	var known []string
	for c := encoding.Gzip; ; c++ {
		name := c.String()
		if _, ok := encoding.Parse(name); !ok {
			break
		}
		known = append(known, name)
	}
	may := codings()
	slices.Sort(known)
	slices.Sort(may)
	if !slices.Equal(may, known) {
		t.Errorf("a document may list %q, bodies can have %q", may, known)
	}
}

// What changes how variants are told apart, or what is stored, puts earlier entries out of reach.
func TestFingerprint_ChangesWithNegotiation(t *testing.T) {
	plain := Service{Name: "a", Hosts: []string{"*"}, Upstream: UpstreamOrigin}
	prints := map[uint64]bool{plain.Fingerprint(): true}
	for _, change := range []func(*Service){
		func(s *Service) { s.SurrogateControl = true },
		func(s *Service) { s.Compress = []string{"br"} },
		func(s *Service) { s.Compress = []string{"br", "gzip"} },
		func(s *Service) { s.Languages = []string{"br"} },
	} {
		s := plain
		change(&s)
		prints[s.Fingerprint()] = true
	}
	if len(prints) != 5 {
		t.Errorf("%d of 5 differ", len(prints))
	}
}
