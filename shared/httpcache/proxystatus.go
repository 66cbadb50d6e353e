package httpcache

// ProxyError is why this proxy made a response itself: a registered error type of Proxy-Status. Beside
// each stands the status that RFC 9209, 2.3 recommends with it.
type ProxyError string

const (
	DNSTimeout              ProxyError = "dns_timeout"                       // 504
	DNSError                ProxyError = "dns_error"                         // 502
	DestinationNotFound     ProxyError = "destination_not_found"             // 500
	DestinationUnavailable  ProxyError = "destination_unavailable"           // 503
	DestinationIPProhibited ProxyError = "destination_ip_prohibited"         // 502
	ConnectionRefused       ProxyError = "connection_refused"                // 502
	ConnectionTerminated    ProxyError = "connection_terminated"             // 502
	ConnectionTimeout       ProxyError = "connection_timeout"                // 504
	ConnectionReadTimeout   ProxyError = "connection_read_timeout"           // 504
	ConnectionWriteTimeout  ProxyError = "connection_write_timeout"          // 504
	ConnectionLimitReached  ProxyError = "connection_limit_reached"          // 503
	TLSProtocolError        ProxyError = "tls_protocol_error"                // 502
	TLSCertificateError     ProxyError = "tls_certificate_error"             // 502
	HTTPRequestError        ProxyError = "http_request_error"                // 4xx
	HTTPRequestDenied       ProxyError = "http_request_denied"               // 403
	HTTPResponseIncomplete  ProxyError = "http_response_incomplete"          // 502
	HTTPResponseHeaderSize  ProxyError = "http_response_header_section_size" // 502
	HTTPResponseBodySize    ProxyError = "http_response_body_size"           // 502
	HTTPResponseCoding      ProxyError = "http_response_transfer_coding"     // 502
	HTTPResponseTimeout     ProxyError = "http_response_timeout"             // 504
	HTTPUpgradeFailed       ProxyError = "http_upgrade_failed"               // 502
	HTTPProtocolError       ProxyError = "http_protocol_error"               // 502
	ProxyInternalResponse   ProxyError = "proxy_internal_response"           // 504 and others
	ProxyInternalError      ProxyError = "proxy_internal_error"              // 500
	ProxyConfigurationError ProxyError = "proxy_configuration_error"         // 500
	ProxyLoopDetected       ProxyError = "proxy_loop_detected"               // 502
)

// AppendProxyStatus appends what proxy says in Proxy-Status about a response that it made, as one list
// member (RFC 9209, 2). It carries no details: they would tell strangers about the inside.
func AppendProxyStatus(dst []byte, proxy string, e ProxyError) []byte {
	dst = appendName(dst, proxy)
	if e == "" {
		return dst
	}
	dst = append(dst, "; error="...)
	return appendName(dst, string(e))
}
