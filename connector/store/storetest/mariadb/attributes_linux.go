package mariadb

import "syscall"

// attributes makes a program run as another account, and end when this process ends, even when it is killed.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGTERM}
}
