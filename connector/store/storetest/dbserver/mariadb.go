package dbserver

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// MariaDB is the Flavor of the MariaDB that is installed on this machine.
type MariaDB struct{}

// Name implements Flavor.
func (MariaDB) Name() string { return "MariaDB" }

func (MariaDB) find() (programs, error) {
	creator, err := lookFor("mariadb-install-db", "mysql_install_db")
	if err != nil {
		return programs{}, err
	}
	daemon, err := lookFor("mariadbd", "/usr/sbin/mariadbd", "mysqld", "/usr/sbin/mysqld")
	return programs{creator, daemon}, err
}

func lookFor(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: %w: install the package mariadb-server, or set TEST_MYSQL_DSN to the address of a server; "+
		"make test-quick needs neither", names[0], ErrNotInstalled)
}

// account implements Flavor. MariaDB refuses to run as root: when we are root, it runs as the account that its package
// creates.
func (MariaDB) account(folder string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	owner, err := user.Lookup("mysql")
	if err != nil {
		return nil, fmt.Errorf("looking for the account of MariaDB: %w", err)
	}
	uid, uidErr := strconv.Atoi(owner.Uid)
	gid, gidErr := strconv.Atoi(owner.Gid)
	if err := errors.Join(uidErr, gidErr, os.Chown(folder, uid, gid)); err != nil {
		return nil, fmt.Errorf("giving the folder to MariaDB: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (MariaDB) creation(string) ([]string, error) {
	return []string{"--auth-root-authentication-method=normal", "--skip-test-db"}, nil
}

func (MariaDB) arguments(string) []string {
	return []string{"--skip-name-resolve", "--innodb-log-file-size=32M"}
}
