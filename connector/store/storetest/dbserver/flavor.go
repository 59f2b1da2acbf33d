package dbserver

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// FlavorVariable names the environment variable that says which server tests start: "mariadb", the default, or "mysql".
const FlavorVariable = "TEST_SERVER"

// A Flavor is a kind of server, MariaDB or MySQL, and knows what differs between them.
type Flavor interface {
	// Name returns the product's name.
	Name() string

	// find returns the programs, or an error that wraps ErrNotInstalled and says how to get them.
	find() (programs, error)

	// account returns the account that the server runs as, nil for our own, and makes it the owner of the folder.
	account(folder string) (*syscall.Credential, error)

	// creation returns further arguments for creating the files of a server in a folder.
	creation(folder string) ([]string, error)

	// arguments returns further arguments of a server in a folder.
	arguments(folder string) []string
}

// programs are the paths of what creates the files of a server, and of the server.
type programs struct{ creator, daemon string }

// Selected returns the Flavor that FlavorVariable names.
func Selected() (Flavor, error) {
	name := os.Getenv(FlavorVariable)
	for _, flavor := range []Flavor{MariaDB{}, MySQL{}} {
		if name == "" || strings.EqualFold(name, flavor.Name()) {
			return flavor, nil
		}
	}
	return nil, fmt.Errorf("%s is %q, want mariadb or mysql", FlavorVariable, name)
}
