// Package peer tells clients apart by their network addresses.
package peer

import (
	"net"
	"net/netip"
	"strings"
)

// Address returns the address of one end of a connection. It is invalid where there is none, as on a Unix socket.
func Address(end net.Addr) netip.Addr {
	tcp, ok := end.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

// Parse returns the address in text, with or without a port, brackets and quotes. It is invalid where there is none.
func Parse(text string) netip.Addr {
	text = strings.Trim(strings.TrimSpace(text), `"`)
	if inner, ok := strings.CutPrefix(text, "["); ok && strings.HasSuffix(inner, "]") {
		text = strings.TrimSuffix(inner, "]")
	}
	if both, err := netip.ParseAddrPort(text); err == nil {
		return both.Addr().Unmap()
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}

// Client returns what counts as one client: an IPv4 address, or the /64 network that an IPv6 client commonly has to
// itself. All invalid addresses count as one client.
func Client(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 32
	if address.Is6() {
		bits = 64
	}
	network, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}

// In reports whether one of the networks contains address.
func In(networks []netip.Prefix, address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	for _, network := range networks {
		if network.Contains(address) {
			return true
		}
	}
	return false
}
