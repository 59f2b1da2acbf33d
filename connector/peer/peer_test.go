package peer_test

import (
	"net"
	"net/netip"
	"testing"

	"azure-partner-connector/connector/peer"
)

func TestClient_IsTheNetworkOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7":              "192.0.2.7/32",
		"::ffff:192.0.2.7":       "192.0.2.7/32",
		"2001:db8:1:2:3:4:5:6":   "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1":   "2001:db8:1:2::/64",
		"fe80::1%eth0":           "fe80::/64",
		"192.0.2.7:443":          "192.0.2.7/32",
		"[2001:db8:1:2::9]:8443": "2001:db8:1:2::/64",
	} {
		if got := peer.Client(peer.Parse(address)).String(); got != want {
			t.Errorf("Client(%s) = %s, want %s", address, got, want)
		}
	}
	for _, address := range []string{"", "nobody", "192.0.2", "@"} {
		if got := peer.Client(peer.Parse(address)); got != (netip.Prefix{}) {
			t.Errorf("Client(%q) = %s, want no network", address, got)
		}
	}
}

func TestAddress_IsNoneForASocketOfThisMachine(t *testing.T) {
	if got := peer.Address(&net.TCPAddr{IP: net.ParseIP("192.0.2.7"), Port: 1}); got.String() != "192.0.2.7" {
		t.Errorf("Address() = %s, want 192.0.2.7", got)
	}
	if got := peer.Address(&net.UnixAddr{Name: "/run/connector"}); got.IsValid() {
		t.Errorf("Address() of a Unix socket = %s, want none", got)
	}
}

func TestIn_ComparesAddressesInEveryForm(t *testing.T) {
	networks := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for address, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "2001:db8::1%eth0": true, "192.0.2.7": false, "": false,
	} {
		if got := peer.In(networks, peer.Parse(address)); got != want {
			t.Errorf("In(%s) = %v, want %v", address, got, want)
		}
	}
	if peer.In(nil, peer.Parse("10.1.2.3")) {
		t.Error("In() of no networks = true, want false")
	}
}
