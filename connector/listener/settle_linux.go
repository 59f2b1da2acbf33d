package listener

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Where the flags of a TCP packet are, and the one of a packet that asks for a connection (RFC 9293 §3.1).
const (
	flagsOffset = 13
	synFlag     = 0x02
)

// ignoreRequests lets the kernel drop the packets that ask for a connection. It is not supported for a socket of multipath TCP.
func ignoreRequests(l *net.TCPListener) (supported bool, err error) {
	program := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: flagsOffset},
		{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: synFlag, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},          // no byte of the packet is kept
		{Code: unix.BPF_RET | unix.BPF_K, K: 0xffffffff}, // all are
	}
	err = control(l, func(socket int) error {
		return unix.SetsockoptSockFprog(socket, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	})
	switch {
	case errors.Is(err, unix.EOPNOTSUPP):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ignoring further requests for connections: %w", err)
	}
	return true, nil
}

// waiting returns how many connections are established and not yet accepted.
func waiting(l *net.TCPListener) (n uint32, err error) {
	err = control(l, func(socket int) error {
		info, err := unix.GetsockoptTCPInfo(socket, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			n = info.Unacked // of a socket that listens, the length of the queue
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("counting connections that wait: %w", err)
	}
	return n, nil
}

func control(l *net.TCPListener, do func(socket int) error) error {
	raw, err := l.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	err = raw.Control(func(fd uintptr) { done = do(int(fd)) })
	return errors.Join(err, done)
}
