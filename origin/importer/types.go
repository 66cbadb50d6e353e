package importer

import (
	"net/http"
	"path"
	"strings"
	"unicode/utf8"
)

// TypeOf guesses a file's media type from its name, else from its first bytes. The list is our own, so
// that the same tree gets the same types on every machine.
func TypeOf(name string, head []byte) string {
	if t, ok := typesByExtension()[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	if len(head) > 0 && utf8.Valid(trimRune(head)) && strings.HasPrefix(http.DetectContentType(head), "text/plain") {
		return "text/plain; charset=utf-8"
	}
	return http.DetectContentType(head)
}

// trimRune cuts a character that the end of head has split.
func trimRune(head []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(head); i++ {
		if utf8.RuneStart(head[len(head)-i]) {
			if !utf8.FullRune(head[len(head)-i:]) {
				return head[:len(head)-i]
			}
			break
		}
	}
	return head
}

// typesByExtension has no charset for HTML, XML and CSS: those documents say it themselves.
func typesByExtension() map[string]string {
	return map[string]string{
		".avif":  "image/avif",
		".css":   "text/css",
		".csv":   "text/csv; charset=utf-8",
		".eot":   "application/vnd.ms-fontobject",
		".gif":   "image/gif",
		".gz":    "application/gzip",
		".htm":   "text/html",
		".html":  "text/html",
		".ico":   "image/x-icon",
		".jpeg":  "image/jpeg",
		".jpg":   "image/jpeg",
		".js":    "text/javascript; charset=utf-8",
		".json":  "application/json",
		".map":   "application/json",
		".md":    "text/markdown; charset=utf-8",
		".mjs":   "text/javascript; charset=utf-8",
		".mp3":   "audio/mpeg",
		".mp4":   "video/mp4",
		".ogg":   "audio/ogg",
		".otf":   "font/otf",
		".pdf":   "application/pdf",
		".png":   "image/png",
		".svg":   "image/svg+xml",
		".tar":   "application/x-tar",
		".ttf":   "font/ttf",
		".wasm":  "application/wasm",
		".webm":  "video/webm",
		".webp":  "image/webp",
		".woff":  "font/woff",
		".woff2": "font/woff2",
		".xhtml": "application/xhtml+xml",
		".xml":   "application/xml",
		".yaml":  "application/yaml",
		".yml":   "application/yaml",
		".zip":   "application/zip",
	}
}
