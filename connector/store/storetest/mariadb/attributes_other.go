//go:build unix && !linux

package mariadb

import "syscall"

// attributes makes a program run as another account. When this process is killed, a person must end the server.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
