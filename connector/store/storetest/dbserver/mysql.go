package dbserver

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// MySQL is the Flavor of the real MySQL that build/mysql.sh unpacks into the user's cache.
type MySQL struct{}

// Name implements Flavor.
func (MySQL) Name() string { return "MySQL" }

func (MySQL) find() (programs, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return programs{}, fmt.Errorf("looking for MySQL: %w", err)
	}
	program := filepath.Join(cache, "azure-partner-connector", "mysql", "mysqld")
	if _, err := os.Stat(program); err != nil {
		return programs{}, fmt.Errorf("%s is missing: %w: run build/mysql.sh", program, ErrNotInstalled)
	}
	return programs{program, program}, nil
}

func (MySQL) account(string) (*syscall.Credential, error) { return nil, nil }

// creation implements Flavor. MySQL's own administrator may only use the socket.
func (m MySQL) creation(folder string) ([]string, error) {
	statements := "CREATE USER root@'127.0.0.1';\nGRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
	name := filepath.Join(folder, "administrator.sql")
	if err := os.WriteFile(name, []byte(statements), 0o600); err != nil {
		return nil, fmt.Errorf("writing the first statements of MySQL: %w", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "exports"), 0o700); err != nil {
		return nil, fmt.Errorf("creating a folder for MySQL: %w", err)
	}
	return append([]string{"--initialize-insecure", "--init-file=" + name}, m.always(folder)...), nil
}

func (m MySQL) arguments(folder string) []string {
	return append([]string{"--skip-name-resolve", "--innodb-redo-log-capacity=64M", "--mysqlx=OFF"}, m.always(folder)...)
}

// always returns what MySQL does not start without: a folder that is not its package's for exports, and root's word that
// it may run as root.
func (MySQL) always(folder string) []string {
	arguments := []string{"--secure-file-priv=" + filepath.Join(folder, "exports")}
	if os.Geteuid() == 0 {
		arguments = append(arguments, "--user=root")
	}
	return arguments
}
