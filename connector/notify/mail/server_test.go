package mail_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A server is an SMTP server (RFC 5321) with the commands that the tests need.
type server struct {
	address string
	roots   *x509.CertPool // to check its certificate

	startTLS bool // offers STARTTLS
	implicit bool // encrypts from the start
	refuse   bool // refuses every mailbox

	tls    *tls.Config
	ended  sync.WaitGroup
	mu     sync.Mutex // guards the fields below
	mails  []string
	logins []string
	clear  []string // commands on the unencrypted connection
}

func startServer(t *testing.T, set func(s *server)) *server {
	t.Helper()
	s := &server{}
	set(s)
	s.certify(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	s.ended.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.ended.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		s.ended.Wait()
	})
	return s
}

func (s *server) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots = x509.NewCertPool()
	s.roots.AddCert(certificate)
	s.tls = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *server) serve(conn net.Conn) {
	defer func() { conn.Close() }()
	encrypted := s.implicit
	if s.implicit {
		conn = tls.Server(conn, s.tls)
	}
	lines := bufio.NewReader(conn)
	reply := func(text string) { _, _ = io.WriteString(conn, text+"\r\n") }
	reply("220 test")
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		verb, _, _ := strings.Cut(strings.ToUpper(line), " ")
		if !encrypted {
			s.record(&s.clear, verb)
		}
		switch verb {
		case "EHLO":
			reply("250-test")
			if s.startTLS && !encrypted {
				reply("250-STARTTLS")
			}
			reply("250-AUTH PLAIN")
			reply("250 8BITMIME")
		case "STARTTLS":
			reply("220 go ahead")
			conn = tls.Server(conn, s.tls)
			lines, encrypted = bufio.NewReader(conn), true
		case "AUTH":
			login, _ := base64.StdEncoding.DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
			s.record(&s.logins, strings.ReplaceAll(string(login), "\x00", "|"))
			reply("235 welcome")
		case "RCPT":
			if s.refuse {
				reply("550 no such mailbox")
				continue
			}
			reply("250 ok")
		case "DATA":
			reply("354 go ahead")
			s.record(&s.mails, s.data(lines))
			reply("250 taken")
		case "QUIT":
			reply("221 bye")
			return
		default:
			reply("250 ok")
		}
	}
}

func (s *server) data(lines *bufio.Reader) string {
	var mail strings.Builder
	for {
		line, err := lines.ReadString('\n')
		if err != nil || line == ".\r\n" {
			return mail.String()
		}
		mail.WriteString(line)
	}
}

func (s *server) record(list *[]string, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, text)
}

// received returns the received mails and logins, and the unencrypted commands in one line.
func (s *server) received() (mails, logins []string, unencrypted string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails, s.logins, strings.Join(s.clear, " ")
}
