package panel

import (
	"compress/gzip"
	"net/http"
	"strings"
)

// compress answers with gzip if the browser accepts it, as real panels do.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A range of a file refers to the uncompressed content.
		if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Header.Get("Range") != "" {
			next.ServeHTTP(w, r)
			return
		}
		c := &compressor{ResponseWriter: w}
		defer c.close()
		next.ServeHTTP(c, r)
	})
}

// A compressor compresses answers that are text. It decides whether to when the header is written.
type compressor struct {
	http.ResponseWriter
	gz      *gzip.Writer // nil if the answer is not compressed
	decided bool
}

func (c *compressor) WriteHeader(status int) {
	if !c.decided {
		c.decided = true
		h := c.Header()
		if status == http.StatusOK && textual(h.Get("Content-Type")) {
			h.Del("Content-Length")
			h.Set("Content-Encoding", "gzip")
			h.Add("Vary", "Accept-Encoding")
			c.gz = gzip.NewWriter(c.ResponseWriter)
		}
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *compressor) Write(b []byte) (int, error) {
	if !c.decided {
		c.WriteHeader(http.StatusOK)
	}
	if c.gz != nil {
		return c.gz.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

func (c *compressor) close() {
	if c.gz != nil {
		_ = c.gz.Close() // fails only if the browser closed the connection
	}
}

func textual(contentType string) bool {
	for _, part := range []string{"text/", "json", "javascript", "svg"} {
		if strings.Contains(contentType, part) {
			return true
		}
	}
	return false
}
