package httpcache

import "testing"

func TestBestLanguage(t *testing.T) {
	site := []string{"en", "de", "pt-BR", "zh-Hant"}
	for accept, want := range map[string]string{
		"de": "de", "de-AT, en;q=0.5": "de", "DE": "de", "pt": "pt-BR", "pt-PT": "", "zh-Hant-TW": "zh-Hant", "zh": "zh-Hant",
		"fr": "", "fr, *;q=0.1": "en", "*": "en", "": "", "en;q=0.5, de;q=0.9": "de", "de, en": "en", "en, de": "en",
		"en;q=0, *": "de", "fr;q=0.5, de;q=1.0": "de", "de;q=0": "", "de-CH;q=0.3, de;q=0.2, en;q=0.25": "en",
		"ende": "", "e": "", "deutsch": "",
	} {
		got := ""
		if i := BestLanguage(Fields{{"Accept-Language", accept}}, site); i >= 0 {
			got = site[i]
		}
		if got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
	if BestLanguage(Fields{}, site) != 0 || BestLanguage(Fields{}, nil) != -1 {
		t.Error("without the field it is the site's first")
	}
}
