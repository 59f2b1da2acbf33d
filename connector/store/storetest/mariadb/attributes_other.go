//go:build unix && !linux

package mariadb

import "syscall"

// attributes makes a program run as another account. A server whose caller was killed has to be ended by hand here.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
