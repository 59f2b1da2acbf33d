//go:build unix && !linux

package dbserver

import "syscall"

// attributes returns attributes with which a program runs as another account, nil for our own. When this process is killed,
// the program goes on, and a person must end it.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as}
}
