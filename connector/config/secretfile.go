package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"azure-partner-connector/connector/secret"
)

// maxSecretFile bounds the size of a file that holds one secret.
const maxSecretFile = 64 << 10

// secretFiles reads the files that contain secrets, and warns of those that other users can read. path is that of the
// configuration.
func (c *checker) secretFiles(path string) {
	inline := !c.cfg.Database.DSN.Empty()
	c.secretFile("database.dsn", c.cfg.Database.DSNFile, &c.cfg.Database.DSN)
	for i := range c.cfg.Instances {
		in := &c.cfg.Instances[i]
		inline = inline || !in.Secret.Empty() || !in.PreviousSecret.Empty()
		c.secretFile(fmt.Sprintf("instances[%d].secret", i), in.SecretFile, &in.Secret)
		c.secretFile(fmt.Sprintf("instances[%d].previousSecret", i), in.PreviousSecretFile, &in.PreviousSecret)
	}
	n := &c.cfg.Notify
	inline = inline || !n.Webhook.Secret.Empty() || !n.Chat.URL.Empty() || !n.Mail.Password.Empty()
	c.secretFile("notify.webhook.secret", n.Webhook.SecretFile, &n.Webhook.Secret)
	c.secretFile("notify.chat.url", n.Chat.URLFile, &n.Chat.URL)
	c.secretFile("notify.mail.password", n.Mail.PasswordFile, &n.Mail.Password)
	if path != "" && inline {
		c.checkMode("the configuration", path)
	}
}

func (c *checker) secretFile(key, path string, into *secret.Text) {
	if path == "" {
		return
	}
	if !into.Empty() && !c.environmentWins(key+"File", key) {
		if !c.environmentWins(key, key+"File") {
			c.problem(key+"File", "%s is set too; set only one of them", key)
		}
		return
	}
	info, err := os.Stat(path)
	if err != nil {
		c.unreadable(key+"File", err)
		return
	}
	if !info.Mode().IsRegular() || info.Size() > maxSecretFile {
		c.problem(key+"File", "%q is not a file with one secret", path)
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		c.unreadable(key+"File", err)
		return
	}
	*into = secret.New(strings.TrimRight(string(WithoutMark(text)), "\r\n"))
	if into.Empty() {
		c.problem(key+"File", "%q is empty", path)
	}
	c.checkMode(key+"File", path)
}

// environmentWins reports, and warns, that a variable sets one of two keys that exclude each other, and the configuration file the
// other one. The environment overrides the file.
func (c *checker) environmentWins(key, over string) bool {
	if c.lines[key] != fromEnvironment || c.lines[over] <= 0 {
		return false
	}
	c.warn("%s is set by the environment, so %s in the configuration file is not used.", key, over)
	return true
}

// WithoutMark removes the byte order mark that some editors and shells write before a text. It would be a part of a secret that
// nobody sees, and no decoder of JSON accepts it.
func WithoutMark(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) }

// unreadable reports a file that cannot be read.
func (c *checker) unreadable(key string, err error) {
	c.problem(key, "cannot be read: %v%s", err, fileAdvice(err))
}

// fileAdvice returns what to do about an error of reading a file, with a separator before it.
func fileAdvice(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; correct the path, or create the file"
	case errors.Is(err, fs.ErrPermission):
		return "; let the user of the process read the file and its folder"
	}
	return ""
}

// checkMode warns of a file with secrets that users other than its owner and the readers of its group can read. As for the key file,
// the group may read it: a service that must not change its files reads them that way.
func (c *checker) checkMode(what, path string) {
	info, err := os.Stat(path)
	if err != nil {
		return // the error of reading it is reported elsewhere
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		c.warn("%s: %s contains secrets and is accessible to more than its owner and readers of its group (mode %04o); run chmod 600.", what, path, mode)
	}
}
