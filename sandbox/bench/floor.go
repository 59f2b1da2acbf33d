package bench

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/store/sqldb"
)

// floorConnections is the size of the floor's pool: the store's.
const floorConnections = 16

var errFloor = errors.New("floor constant SIZE, or floor read|change|append SIZE DRIVER DSN")

// floor plays the floor of one row: a bare echo handler with the one statement that the hook cannot do without. Its
// answers have a size, which is that of the connector's.
//
//	floor constant SIZE
//	floor read|change|append SIZE DRIVER DSN
func floor(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	if len(arguments) < 2 {
		return errFloor
	}
	size, err := strconv.Atoi(arguments[1])
	if err != nil || size < 2 {
		return errFloor
	}
	body := []byte(`"` + strings.Repeat("x", size-2) + `"`)
	e := echo.New()
	switch {
	case len(arguments) == 2 && arguments[0] == "constant":
		e.Any("/*", func(c echo.Context) error { return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body) })
		return serveUntil(ctx, e, in, out)
	case len(arguments) != 4:
		return errFloor
	}
	pool, err := openFloor(arguments[2], arguments[3])
	if err != nil {
		return err
	}
	defer pool.Close()
	handler, err := floorHandler(ctx, pool, arguments[0], body)
	if err != nil {
		return err
	}
	e.Any("/aps/tenant/:id", handler)
	e.Any("/aps/tenant/:id/*", handler)
	return serveUntil(ctx, e, in, out)
}

func openFloor(driver, dsn string) (*sql.DB, error) {
	if driver == sqldb.SQLite {
		dsn = "file:" + dsn + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	}
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("opening the floor's database: %w", err)
	}
	pool.SetMaxOpenConns(floorConnections)
	pool.SetMaxIdleConns(floorConnections)
	return pool, nil
}

// floorHandler prepares the one statement of a floor, and returns what executes it and answers with body.
func floorHandler(ctx context.Context, pool *sql.DB, work string, body []byte) (echo.HandlerFunc, error) {
	text := map[string]string{
		"read":   "SELECT directory, application_id, version FROM tenants WHERE id = ?",
		"change": "UPDATE tenants SET application_id = ?, updated_at = ?, version = version + 1 WHERE id = ?",
		"append": "INSERT INTO floor_events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, " +
			"actor_original_id, result, reference, details) VALUES (?, ?, 'bench', ?, 'token.lent', 'application', ?, '', '', '', 'ok', 'ABCDEFGHIJ', '{\"api\":\"graph\"}')",
	}[work]
	if text == "" {
		return nil, errFloor
	}
	statement, err := pool.PrepareContext(ctx, text) //nolint:sqlclosecheck // it is closed with the pool
	if err != nil {
		return nil, fmt.Errorf("preparing the floor's statement: %w", err)
	}
	if work == "read" {
		return func(c echo.Context) error {
			var directory, application string
			var version int64
			if err := statement.QueryRowContext(c.Request().Context(), c.Param("id")).Scan(&directory, &application, &version); err != nil {
				return err
			}
			return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
		}, nil
	}
	return func(c echo.Context) error {
		values := []any{applicationID, timeText(), c.Param("id")}
		if work == "append" {
			values = []any{c.Param("id"), timeText(), c.Param("id"), borrowerID}
		}
		if _, err := statement.ExecContext(c.Request().Context(), values...); err != nil {
			return err
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}, nil
}

func timeText() string { return time.Now().UTC().Format("2006-01-02 15:04:05.000") }

// serveUntil says where it listens and serves until its input ends or ctx does.
func serveUntil(ctx context.Context, handler http.Handler, in io.Reader, out io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, in)
		server.Close()
	}()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	fmt.Fprintln(out, listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
