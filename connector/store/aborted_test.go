package store_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"regexp"
	"sync"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/store"
	"azure-partner-connector/connector/store/sqldb"
	"azure-partner-connector/connector/store/storetest"
)

// TestOpen_MySQLRepeatsWhatTheServerAborts aborts each statement of a start in turn, once. A Galera node does so with
// statements that use what another node changes, for instance while another replica creates or migrates tables.
func TestOpen_MySQLRepeatsWhatTheServerAborts(t *testing.T) {
	t.Parallel()
	db := storetest.MySQL(t)
	for n := 1; ; n++ {
		aborts := newAborter(t, db.DSN, n)
		cfg := sqldb.Config{Driver: db.Driver, DSN: secret.New(aborts.dsn)}
		if err := start(t, store.Config{Config: cfg, Keyring: db.Keyring}); err != nil {
			t.Errorf("starting while the server aborts %q = %v", aborts.statement(), err)
		}
		if aborts.statement() == "" {
			if n < 10 {
				t.Errorf("a start sent %d statements, want at least 10: the others were not aborted", n-1)
			}
			return
		}
	}
}

// start is what a program does with its database before it serves, and what the doctor does.
func start(t *testing.T, cfg store.Config) error {
	t.Helper()
	s, err := store.Open(t.Context(), cfg)
	if err != nil {
		return err
	}
	_, inspectErr := sqldb.Inspect(t.Context(), cfg.Config)
	return errors.Join(s.Migrate(t.Context()), s.MigrateNothing(t.Context()), s.Check(t.Context()), inspectErr, s.Close())
}

// An aborter forwards connections to a server and answers one statement itself, with a deadlock.
type aborter struct {
	dsn    string
	server string

	mu      sync.Mutex
	left    int // statements until the one that is aborted
	aborted string
}

// newAborter returns the aborter of statement n that uses a table.
func newAborter(t *testing.T, dsn string, n int) *aborter {
	t.Helper()
	cfg, err := mysqldriver.ParseDSN(dsn)
	if err != nil {
		t.Fatalf("ParseDSN() = _, %v", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("Listen() = _, %v", err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	a := &aborter{server: cfg.Addr, left: n}
	cfg.Addr = listener.Addr().String()
	a.dsn = cfg.FormatDSN()
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go a.serve(client)
		}
	}()
	return a
}

func (a *aborter) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", a.server)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		_, _ = io.Copy(client, server)
		_ = client.Close()
	}()
	in := bufio.NewReader(client)
	for {
		packet, err := readPacket(in)
		if err != nil {
			return
		}
		if a.aborts(packet) {
			_, err = client.Write(deadlock)
		} else {
			_, err = server.Write(packet)
		}
		if err != nil {
			return
		}
	}
}

// usesTable matches the statements that a server aborts for others' sake.
var usesTable = regexp.MustCompile(`^(SELECT .* FROM|UPDATE|INSERT|DELETE)\b`)

func (a *aborter) aborts(packet []byte) bool {
	const query = 3 // COM_QUERY, the first byte after the packet's header
	if len(packet) < 5 || packet[3] != 0 || packet[4] != query || !usesTable.Match(packet[5:]) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.left--; a.left != 0 {
		return false
	}
	a.aborted = string(packet[5:])
	return true
}

// statement returns the aborted statement, or "" when there were fewer.
func (a *aborter) statement() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.aborted
}

// deadlock is a server's error packet, the answer to a statement.
var deadlock = func() []byte {
	payload := binary.LittleEndian.AppendUint16([]byte{0xff}, 1213)
	payload = append(payload, "#40001Deadlock found when trying to get lock; try restarting transaction"...)
	return append([]byte{byte(len(payload)), 0, 0, 1}, payload...)
}()

// readPacket reads a packet of MySQL's protocol with its header: three bytes of length and a number.
func readPacket(r io.Reader) ([]byte, error) {
	header := make([]byte, 4)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	packet := make([]byte, 4+int(header[0])+int(header[1])<<8+int(header[2])<<16)
	copy(packet, header)
	_, err := io.ReadFull(r, packet[4:])
	return packet, err
}
