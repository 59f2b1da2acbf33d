package hooks

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// PackagePath is the path below the public URL at which the package is served, followed by its file name.
const PackagePath = "/package/"

// A PackageFile is the platform's package.
type PackageFile struct {
	Name    string // for example azure-partner-connector-1-1.app.zip
	Content []byte
}

// servePackage serves the package, so that a platform can import it by URL (docs/reference/aps-protocol.md §9). The
// platform doesn't sign this request, and the package holds no secret.
func (h *Handler) servePackage() echo.HandlerFunc {
	file := h.cfg.PackageFile
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256(file.Content))
	return func(c echo.Context) error {
		header := c.Response().Header()
		header.Set(echo.HeaderContentType, "application/zip")
		header.Set(echo.HeaderCacheControl, "no-cache")
		header.Set("ETag", tag)
		http.ServeContent(c.Response(), c.Request(), file.Name, time.Time{}, bytes.NewReader(file.Content))
		return nil
	}
}

// isPublic reports whether a request needs no signature: the health check, and the package if it is served.
func (h *Handler) isPublic(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	name := h.cfg.PackageFile.Name
	return r.URL.Path == "/" || name != "" && r.URL.Path == PackagePath+name
}
