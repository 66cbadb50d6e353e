package httpcache

// Preferred is the index in codings, which are in the server's order, of what Accept-Encoding gives the most weight,
// or -1 when it accepts none of them, or likes it less than no coding at all (RFC 9110, 12.5.3). Without the field
// it is -1 too: who does not ask gets content as it is. It allocates nothing for an Indexed header.
func Preferred(h Header, codings []string) int {
	if len(codings) == 0 || !has(h, "Accept-Encoding") {
		return -1
	}
	best, weight := -1, 0
	for i, coding := range codings {
		if w := Weight(h, coding); w > weight {
			best, weight = i, w
		}
	}
	if weight < Weight(h, "identity") {
		return -1
	}
	return best
}

// MayEncode reports whether a coding may be put on a response with these fields: its content is whole and has none
// yet, and nobody forbids to transform it (RFC 9110, 7.7).
func MayEncode(m *Meta, h Header) bool {
	return m.Status == 200 && !m.Flags.Has(FlagNoTransform) && !has(h, "Content-Encoding") && !has(h, "Content-Range")
}

// EncodedFields are the fields of a response once its content has that coding, in memory of their own: it is another
// representation, so that its entity tag is only a weak one of the first, and what describes the bytes goes: length,
// digests (RFC 9530, 2) and ranges. Vary says what selects it (RFC 9110, 12.5.5).
func EncodedFields(f Fields, coding string) Fields {
	encoded := f.Clone()
	encoded.Del("Content-Length", "Content-MD5", "Content-Digest", "Repr-Digest", "Accept-Ranges")
	encoded.Set("Content-Encoding", coding)
	if tag, ok := storedETag(f); ok {
		encoded.Set("ETag", "W/"+tag.opaque)
	}
	return VaryByEncoding(encoded)
}

// VaryByEncoding are the fields of a response that another Accept-Encoding would have changed.
func VaryByEncoding(f Fields) Fields {
	varying := f.Clone()
	if names, star := ParseVary(f); !star && !nameIn("accept-encoding", names) {
		varying.Add("Vary", "Accept-Encoding")
	}
	return varying
}
