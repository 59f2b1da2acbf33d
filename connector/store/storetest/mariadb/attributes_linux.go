package mariadb

import "syscall"

// attributes makes a program run as another account, and end with us even when we are killed.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGTERM}
}
