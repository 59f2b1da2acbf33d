//go:build !linux

package listener

import "net"

// ignoreRequests does nothing: other systems offer no way.
func ignoreRequests(*net.TCPListener) (supported bool, err error) { return false, nil }

// waiting is not called.
func waiting(*net.TCPListener) (uint32, error) { return 0, nil }
