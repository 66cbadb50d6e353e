package httpcache

// HeuristicallyCacheable reports whether a response with that status may be fresh without saying so
// (RFC 9110, 15.1). 206 is one too, but parts are not stored.
func HeuristicallyCacheable(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// ErrorStatus reports whether stale-if-error may stand in for a response with that status: 500, 502, 503
// and 504 (RFC 5861, 4). A connection that fails is the caller's to treat alike.
func ErrorStatus(status int) bool {
	switch status {
	case 500, 502, 503, 504:
		return true
	}
	return false
}

// storableStatus refuses what is not a final response in its own right: interim ones, 206 as long as
// parts are not kept apart, 304 and 412, which answer a condition, 416, which answers a range, and
// those whose definition forbids it: 428, 429, 431 and 511 (RFC 6585). An unknown status is storable
// when the response says how long it is fresh (RFC 9111, 3).
func storableStatus(status int) Reason {
	switch status {
	case 206:
		return ReasonPartial
	case 304, 412, 416, 428, 429, 431, 511:
		return ReasonStatus
	}
	if status < 200 || status > 599 {
		return ReasonStatus
	}
	return ReasonNone
}

// understood reports whether this cache knows all that a status asks of caches (RFC 9111, 5.2.2.3).
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 417,
		421, 422, 451, 500, 501, 502, 503, 504, 505:
		return true
	}
	return false
}
