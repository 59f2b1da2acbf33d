package peer_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"azure-partner-connector/connector/peer"
)

func TestReader_FindsTheClient(t *testing.T) {
	const proxy, outside = "10.0.0.1:5000", "198.51.100.9:5000"
	for name, tc := range map[string]struct {
		source  peer.Source
		remote  string
		headers []string // lines of the request
		want    string
	}{
		"no proxy":                        {"", outside, nil, "198.51.100.9"},
		"header of another network":       {"", outside, []string{"X-Forwarded-For: 192.0.2.1"}, "198.51.100.9"},
		"one hop":                         {"", proxy, []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"with a port":                     {"", proxy, []string{"X-Forwarded-For: 198.51.100.1:17085"}, "198.51.100.1"},
		"IPv6":                            {"", proxy, []string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		"IPv6 in brackets":                {"", proxy, []string{"X-Forwarded-For: [2001:db8::1]"}, "2001:db8::1"},
		"IPv6 with a port":                {"", proxy, []string{"X-Forwarded-For: [2001:db8::1]:443"}, "2001:db8::1"},
		"quoted":                          {"", proxy, []string{`X-Forwarded-For: "[2001:db8::1]:443"`}, "2001:db8::1"},
		"IPv4 in IPv6":                    {"", proxy, []string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1"},
		"a chain of trusted proxies":      {"", proxy, []string{"X-Forwarded-For: 192.0.2.1, 10.0.0.3:80, 10.0.0.2"}, "192.0.2.1"},
		"a client that lies":              {"", proxy, []string{"X-Forwarded-For: 203.0.113.5, 192.0.2.1"}, "192.0.2.1"},
		"several headers":                 {"", proxy, []string{"X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		"a lie in a header of its own":    {"", proxy, []string{"X-Forwarded-For: 203.0.113.5", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"only proxies":                    {"", proxy, []string{"X-Forwarded-For: 10.0.0.4, 10.0.0.2"}, "10.0.0.4"},
		"unreadable":                      {"", proxy, []string{"X-Forwarded-For: unknown"}, "10.0.0.1"},
		"unreadable behind a proxy":       {"", proxy, []string{"X-Forwarded-For: nobody, 10.0.0.2"}, "10.0.0.2"},
		"empty":                           {"", proxy, []string{"X-Forwarded-For: "}, "10.0.0.1"},
		"Forwarded":                       {"", proxy, []string{"Forwarded: for=192.0.2.1;proto=https;by=10.0.0.1"}, "192.0.2.1"},
		"Forwarded, IPv6":                 {"", proxy, []string{`Forwarded: For="[2001:db8::1]:4711"`}, "2001:db8::1"},
		"Forwarded, a chain":              {"", proxy, []string{"Forwarded: for=203.0.113.5, for=192.0.2.1", "Forwarded: for=10.0.0.2"}, "192.0.2.1"},
		"Forwarded, hidden":               {"", proxy, []string{"Forwarded: for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
		"Forwarded, unknown":              {"", proxy, []string{"Forwarded: for=unknown"}, "10.0.0.1"},
		"Forwarded, without for":          {"", proxy, []string{"Forwarded: for=192.0.2.1, proto=https"}, "10.0.0.1"},
		"Forwarded, a host that lies":     {"", proxy, []string{`Forwarded: for=192.0.2.1;host="a,for=203.0.113.5"`}, "192.0.2.1"},
		"Forwarded, a host with a pair":   {"", proxy, []string{`Forwarded: for=192.0.2.1;host="a;for=203.0.113.5"`}, "192.0.2.1"},
		"Forwarded, a host with a quote":  {"", proxy, []string{`Forwarded: for=192.0.2.1;host="a\",for=203.0.113.5"`}, "192.0.2.1"},
		"Forwarded, for twice":            {"", proxy, []string{"Forwarded: for=192.0.2.1;for=203.0.113.5"}, "10.0.0.1"},
		"Forwarded, an open quote":        {"", proxy, []string{`Forwarded: for=203.0.113.5;host=", for=192.0.2.1`}, "10.0.0.1"},
		"Forwarded, a quote of two":       {"", proxy, []string{`Forwarded: host=", for="[2001:db8::1]"`}, "10.0.0.1"},
		"Forwarded, a quote in a name":    {"", proxy, []string{`Forwarded: f"or=203.0.113.5, for=192.0.2.1`}, "10.0.0.1"},
		"Forwarded, an open quote before": {"", proxy, []string{`Forwarded: for="`, "Forwarded: for=192.0.2.1"}, "192.0.2.1"},
		"Forwarded, a hidden port":        {"", proxy, []string{`Forwarded: for="192.0.2.1:_web"`}, "192.0.2.1"},
		"Forwarded, IPv6, a hidden port":  {"", proxy, []string{`Forwarded: for="[2001:db8::1]:_web"`}, "2001:db8::1"},
		"Forwarded, escaped":              {"", proxy, []string{`Forwarded: for="\[2001:db8::1\]"`}, "2001:db8::1"},
		"Forwarded, spaces":               {"", proxy, []string{"Forwarded: proto=https ; for=192.0.2.1 "}, "192.0.2.1"},
		"Forwarded, empty elements":       {"", proxy, []string{"Forwarded: , for=192.0.2.1"}, "192.0.2.1"},
		"Forwarded beside the other":      {"", proxy, []string{"Forwarded: for=203.0.113.5", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
		"Forwarded is configured":         {peer.Forwarded, proxy, []string{"Forwarded: for=192.0.2.1", "X-Forwarded-For: 203.0.113.5"}, "192.0.2.1"},
		"Forwarded is missing":            {peer.Forwarded, proxy, []string{"X-Forwarded-For: 203.0.113.5"}, "10.0.0.1"},
		"X-Forwarded-For is configured":   {peer.ForwardedFor, proxy, []string{"Forwarded: for=203.0.113.5"}, "10.0.0.1"},
		"X-Real-IP is not configured":     {"", proxy, []string{"X-Real-IP: 203.0.113.5"}, "10.0.0.1"},
		"X-Real-IP":                       {peer.RealIP, proxy, []string{"X-Real-IP: 192.0.2.1", "X-Forwarded-For: 203.0.113.5"}, "192.0.2.1"},
		"X-Real-IP, twice":                {peer.RealIP, proxy, []string{"X-Real-IP: 203.0.113.5", "X-Real-IP: 192.0.2.1"}, "10.0.0.1"},
		"X-Real-IP of another network":    {peer.RealIP, outside, []string{"X-Real-IP: 203.0.113.5"}, "198.51.100.9"},
		"proxy that is reached over IPv6": {"", "[::ffff:10.0.0.1]:5000", []string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tc.remote, Header: http.Header{}}
			for _, line := range tc.headers {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Add(name, value)
			}
			reader := peer.Reader{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Source: tc.source}
			if got := reader.Of(r).String(); got != tc.want {
				t.Errorf("Of() = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestParseSource_KnowsThree(t *testing.T) {
	if s, err := peer.ParseSource("X-Real-IP"); err != nil || s != peer.RealIP {
		t.Errorf("ParseSource(X-Real-IP) = %q, %v, want %q", s, err, peer.RealIP)
	}
	if _, err := peer.ParseSource("cf-connecting-ip"); err == nil {
		t.Error("ParseSource(cf-connecting-ip) = nil, want a refusal")
	}
}
