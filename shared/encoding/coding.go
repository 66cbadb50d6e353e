package encoding

import "strings"

// Coding is a content coding (RFC 9110, 8.4.1).
type Coding uint8

// The codings.
const (
	Identity Coding = iota // none
	Gzip
	Brotli
	Zstd

	codingCount
)

var codingNames = [codingCount]string{Identity: "identity", Gzip: "gzip", Brotli: "br", Zstd: "zstd"}

// String is the coding's registered name.
func (c Coding) String() string {
	if c >= codingCount {
		return "invalid"
	}
	return codingNames[c]
}

// Parse finds a coding other than Identity by its name.
func Parse(name string) (Coding, bool) {
	for c := Gzip; c < codingCount; c++ {
		if codingNames[c] == name {
			return c, true
		}
	}
	return Identity, false
}

// Compressible reports whether content of that type, the value of Content-Type, gets much smaller: text, and the
// structured types that are text. An event stream is not: its parts must go out as they come.
func Compressible(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	switch {
	case media == "text/event-stream":
		return false
	case strings.HasPrefix(media, "text/"), strings.HasSuffix(media, "+json"), strings.HasSuffix(media, "+xml"):
		return true
	}
	switch media {
	case "application/json", "application/javascript", "application/xml", "application/ecmascript", "application/wasm",
		"application/manifest+json", "application/x-javascript", "application/graphql", "application/rtf",
		"application/vnd.ms-fontobject", "application/x-font-ttf", "font/otf", "font/ttf", "image/bmp", "image/x-icon",
		"image/vnd.microsoft.icon":
		return true
	}
	return false
}
