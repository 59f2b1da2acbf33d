package sqldb_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"azure-partner-connector/connector/store/sqldb"
)

// A goneServer ended a connection that is still in the pool, so that closing it fails.
type goneServer struct{ driver.Conn }

func (goneServer) Connect(context.Context) (driver.Conn, error) { return goneServer{}, nil }
func (goneServer) Driver() driver.Driver                        { return nil }
func (goneServer) Close() error                                 { return errors.New("bad connection") }

func TestClose_MySQLServerThatIsGone(t *testing.T) {
	pool := sql.OpenDB(goneServer{})
	if err := pool.PingContext(t.Context()); err != nil { // opens a connection
		t.Fatal(err)
	}
	if err := sqldb.Pooled(sqldb.MySQL, pool).Close(); err != nil {
		t.Errorf("Close() = %v, want nil: a graceful stop has not failed", err)
	}
}
