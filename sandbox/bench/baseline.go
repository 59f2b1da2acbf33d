package bench

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/store/sqldb"
)

// baselineConnections is the size of the baseline's connection pool, the same as the store's.
const baselineConnections = 16

var errBaseline = errors.New("usage: baseline constant SIZE, baseline key SIZE HEADER VALUE, baseline proxy SIZE TARGET TOKEN, or baseline read|append SIZE DRIVER DSN")

// serveBaseline runs the baseline of one row: a bare echo handler with only the statement that the hook needs. Its
// responses have the size of the connector's.
//
//	baseline constant SIZE
//	baseline key SIZE HEADER VALUE
//	baseline proxy SIZE TARGET TOKEN
//	baseline read|append SIZE DRIVER DSN
func serveBaseline(ctx context.Context, arguments []string, in io.Reader, out io.Writer) error {
	if len(arguments) < 2 {
		return errBaseline
	}
	size, err := strconv.Atoi(arguments[1])
	if err != nil || size < 2 {
		return errBaseline
	}
	body := []byte(`"` + strings.Repeat("x", size-2) + `"`)
	e := echo.New()
	switch {
	case len(arguments) == 2 && arguments[0] == "constant":
		e.Any("/*", func(c echo.Context) error { return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body) })
		return serveUntil(ctx, e, in, out)
	case len(arguments) != 4:
		return errBaseline
	case arguments[0] == "key":
		e.Any("/*", checkingKey(arguments[2], arguments[3], body))
		return serveUntil(ctx, e, in, out)
	case arguments[0] == "proxy":
		proxy, err := fixedProxy(arguments[2], arguments[3])
		if err != nil {
			return err
		}
		return serveUntil(ctx, proxy, in, out)
	}
	pool, err := openBaseline(arguments[2], arguments[3])
	if err != nil {
		return err
	}
	defer pool.Close()
	handler, err := baselineHandler(ctx, pool, arguments[0], body)
	if err != nil {
		return err
	}
	e.Any("/aps/tenant/:id", handler)
	e.Any("/aps/tenant/:id/*", handler)
	return serveUntil(ctx, e, in, out)
}

// checkingKey returns a handler that compares a header with a key, and responds with body.
func checkingKey(header, key string, body []byte) echo.HandlerFunc {
	return func(c echo.Context) error {
		if subtle.ConstantTimeCompare([]byte(c.Request().Header.Get(header)), []byte(key)) != 1 {
			return c.NoContent(http.StatusUnauthorized)
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}
}

// fixedProxy returns a reverse proxy that adds a fixed access token.
func fixedProxy(target, accessToken string) (http.Handler, error) {
	base, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, maxConnections
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(base)
		r.Out.Header.Set("Authorization", "Bearer "+accessToken)
	}}, nil
}

func openBaseline(driver, dsn string) (*sql.DB, error) {
	if driver == sqldb.SQLite {
		dsn = "file:" + dsn + "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"
	}
	pool, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, fmt.Errorf("opening the database of the baseline: %w", err)
	}
	pool.SetMaxOpenConns(baselineConnections)
	pool.SetMaxIdleConns(baselineConnections)
	return pool, nil
}

// baselineHandler prepares the one statement of a baseline, and returns a handler that executes it and responds with body.
func baselineHandler(ctx context.Context, pool *sql.DB, work string, body []byte) (echo.HandlerFunc, error) {
	text := map[string]string{
		"read": "SELECT directory, application_id, version FROM tenants WHERE id = ?",
		"append": "INSERT INTO baseline_events (id, happened_at, instance_key, tenant_id, action, actor_kind, actor_id, actor_name, actor_account_id, " +
			"actor_original_id, result, reference, details) VALUES (?, ?, 'bench', ?, 'token.lent', 'application', ?, '', '', '', 'ok', 'ABCDEFGHIJ', '{\"api\":\"graph\"}')",
	}[work]
	if text == "" {
		return nil, errBaseline
	}
	statement, err := pool.PrepareContext(ctx, text) //nolint:sqlclosecheck // it is closed with the pool
	if err != nil {
		return nil, fmt.Errorf("preparing the statement of the baseline: %w", err)
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
		if _, err := statement.ExecContext(c.Request().Context(), c.Param("id"), now(), c.Param("id"), borrowerID); err != nil {
			return err
		}
		return c.Blob(http.StatusOK, echo.MIMEApplicationJSON, body)
	}, nil
}

// now returns the time in the database's format.
func now() string { return time.Now().UTC().Format("2006-01-02 15:04:05.000") }

// serveUntil prints the address on which it listens, and serves until its input or ctx ends.
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
