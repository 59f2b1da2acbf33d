// Package mailserver simulates a mail server: it takes every mail, delivers none, and keeps the last ones to be read.
package mailserver

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// kept is how many mails are kept.
	kept = 200
	// maxMail bounds a mail.
	maxMail = 1 << 20
	// idle is how long a connection may be silent.
	idle = time.Minute
)

// A Mail is a mail that the server took.
type Mail struct {
	ID      string
	At      time.Time // of its arrival, by Config.Now
	From    string
	To      []string // of the envelope
	Subject string
	Text    string // the plain text; empty if it has none
}

// Config is what a Server needs. The zero Config is usable.
type Config struct {
	// Now is the clock. Default: time.Now.
	Now func() time.Time

	// Log receives what clients send that cannot be read. Default: discard.
	Log *slog.Logger
}

// A Server takes mails by SMTP (RFC 5321), without encryption and without a password. It is safe for concurrent use.
type Server struct {
	cfg      Config
	listener net.Listener
	serving  sync.WaitGroup

	mu     sync.Mutex // guards all below
	closed bool
	open   map[net.Conn]bool
	mails  []Mail // oldest first
	taken  int    // mails so far
}

// Start listens on a free loopback port until Close.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for mails: %w", err)
	}
	s := &Server{cfg: cfg, listener: listener, open: make(map[net.Conn]bool)}
	s.serving.Go(s.accept)
	return s, nil
}

// Address is host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Mails returns the last mails, oldest first.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mails)
}

// Close ends all connections and waits for their goroutines.
func (s *Server) Close() error {
	err := s.shut()
	s.serving.Wait()
	return err
}

// shut closes what is open, once.
func (s *Server) shut() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	for conn := range s.open {
		conn.Close()
	}
	return s.listener.Close()
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		if s.admit(conn) {
			s.serving.Go(func() { s.serve(conn) })
		}
	}
}

// admit registers a connection so that Close ends it; false if the server is closed.
func (s *Server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		conn.Close()
		return false
	}
	s.open[conn] = true
	return true
}

func (s *Server) serve(conn net.Conn) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.open, conn)
	}()
	c := &conversation{s: s, text: textproto.NewConn(conn)}
	c.reply("220 simulated mail server")
	for !c.ended {
		if err := conn.SetDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		line, err := c.text.ReadLine()
		if err != nil {
			return
		}
		c.command(line)
	}
}

// A conversation is one connection.
type conversation struct {
	s     *Server
	text  *textproto.Conn
	from  string
	to    []string
	ended bool
}

func (c *conversation) reply(line string) {
	if err := c.text.PrintfLine("%s", line); err != nil {
		c.ended = true
	}
}

// command answers one line of a client.
func (c *conversation) command(line string) {
	verb, argument, _ := strings.Cut(line, " ")
	switch verb = strings.ToUpper(verb); {
	case verb == "EHLO":
		c.reply("250-simulated")
		c.reply("250-SIZE " + strconv.Itoa(maxMail))
		c.reply("250 8BITMIME")
	case verb == "HELO", verb == "NOOP":
		c.reply("250 ok")
	case verb == "RSET":
		c.from, c.to = "", nil
		c.reply("250 ok")
	case verb == "MAIL":
		c.from, c.to = mailbox(argument), nil
		c.reply("250 ok")
	case verb == "RCPT" && c.from == "", verb == "DATA" && len(c.to) == 0:
		c.reply("503 the commands are out of order")
	case verb == "RCPT" && mailbox(argument) == "":
		c.reply("501 no mailbox")
	case verb == "RCPT":
		c.to = append(c.to, mailbox(argument))
		c.reply("250 ok")
	case verb == "DATA":
		c.data()
	case verb == "QUIT":
		c.reply("221 bye")
		c.ended = true
	default:
		c.reply("502 not known here")
	}
}

// mailbox returns the address between the angle brackets of MAIL and RCPT; empty for none.
func mailbox(argument string) string {
	_, after, _ := strings.Cut(argument, "<")
	address, _, found := strings.Cut(after, ">")
	if !found || !strings.Contains(address, "@") {
		return ""
	}
	return address
}

func (c *conversation) data() {
	c.reply("354 end with a dot")
	content, err := io.ReadAll(io.LimitReader(c.text.DotReader(), maxMail+1))
	switch {
	case err != nil:
		c.ended = true
		return
	case len(content) > maxMail:
		c.reply("552 too large")
		c.ended = true // the rest of the mail would be read as commands
		return
	}
	if err := c.s.take(c.from, c.to, content); err != nil {
		c.s.cfg.Log.Warn("mail refused", "err", err)
		c.reply("554 the mail cannot be read")
	} else {
		c.reply("250 taken")
	}
	c.from, c.to = "", nil
}

// take keeps a mail.
func (s *Server) take(from string, to []string, content []byte) error {
	read, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("reading a mail: %w", err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil {
		return fmt.Errorf("reading the subject of a mail: %w", err)
	}
	text, err := plain(textproto.MIMEHeader(read.Header), read.Body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	s.mails = append(s.mails, Mail{strconv.Itoa(s.taken), s.cfg.Now(), from, to, subject, strings.ReplaceAll(text, "\r\n", "\n")})
	if len(s.mails) > kept {
		s.mails = slices.Delete(s.mails, 0, len(s.mails)-kept)
	}
	return nil
}

// plain returns the plain text of a mail or of one of its parts; empty if it has none.
func plain(header textproto.MIMEHeader, body io.Reader) (string, error) {
	kind, params := "text/plain", map[string]string(nil)
	if value := header.Get("Content-Type"); value != "" {
		var err error
		if kind, params, err = mime.ParseMediaType(value); err != nil {
			return "", fmt.Errorf("reading the type of a mail: %w", err)
		}
	}
	switch strings.ToLower(header.Get("Content-Transfer-Encoding")) {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	switch {
	case strings.HasPrefix(kind, "multipart/"):
		return plainPart(multipart.NewReader(body, params["boundary"]))
	case kind != "text/plain":
		return "", nil
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return "", fmt.Errorf("reading the text of a mail: %w", err)
	}
	return string(text), nil
}

// plainPart returns the first plain text of a multipart mail.
func plainPart(parts *multipart.Reader) (string, error) {
	for {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("reading the parts of a mail: %w", err)
		}
		if text, err := plain(part.Header, part); err != nil || text != "" {
			return text, err
		}
	}
}
