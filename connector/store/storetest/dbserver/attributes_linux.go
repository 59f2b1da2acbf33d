package dbserver

import "syscall"

// attributes returns attributes with which a program runs as another account, nil for our own, and ends when this process
// ends, even when this process is killed.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGTERM}
}
