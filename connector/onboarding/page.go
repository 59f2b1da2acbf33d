package onboarding

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/failure"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

const (
	layoutPage = "layout"
	assetPath  = "/assets/"
)

// pages holds the templates, each combined with the layout.
type pages struct {
	byName map[string]*template.Template // name without extension → page in its layout
}

// A view is the data of a page's template.
type view struct {
	Lang  string
	Title string // in Lang
	Base  string // path prefix of all our addresses
	Data  any

	languages *languages
}

// T translates an English text into the language of the page and fills its __named__ placeholders from pairs.
func (v view) T(text string, pairs ...string) string { return v.languages.text(v.Lang, text, pairs...) }

// ISO formats t for programs.
func (v view) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// UTC formats t for people. The script replaces it by their own time zone and format.
func (v view) UTC(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

func loadPages() (*pages, error) {
	layout, err := template.ParseFS(pageFiles, "pages/"+layoutPage+".html")
	if err != nil {
		return nil, fmt.Errorf("reading the layout: %w", err)
	}
	files, err := pageFiles.ReadDir("pages")
	if err != nil {
		return nil, fmt.Errorf("reading pages: %w", err)
	}
	p := &pages{byName: map[string]*template.Template{}}
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".html")
		if name == layoutPage {
			continue
		}
		whole, err := layout.Clone()
		if err != nil {
			return nil, fmt.Errorf("reading page %s: %w", name, err)
		}
		if p.byName[name], err = whole.ParseFS(pageFiles, path.Join("pages", file.Name())); err != nil {
			return nil, fmt.Errorf("reading page %s: %w", name, err)
		}
	}
	return p, nil
}

// render answers with a page. It sends nothing before the page is complete, so that an error still gets an error page.
func (h *Handler) render(c echo.Context, status int, name, title string, data any) error {
	lang := h.language(c)
	v := view{Lang: lang, Title: h.languages.text(lang, title), Base: h.base, Data: data, languages: h.languages}
	var page bytes.Buffer
	if err := h.pages.byName[name].ExecuteTemplate(&page, layoutPage+".html", v); err != nil {
		return fmt.Errorf("rendering page %s: %w", name, err)
	}
	header := c.Response().Header()
	header.Set("Content-Language", lang)
	header.Set("Vary", "Accept-Language, Cookie")
	return c.HTMLBlob(status, page.Bytes())
}

// An asset is a file that pages load.
type asset struct {
	content     []byte
	contentType string
	etag        string
}

func loadAssets() (map[string]asset, error) {
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, fmt.Errorf("reading assets: %w", err)
	}
	assets := map[string]asset{}
	for _, file := range files {
		content, err := assetFiles.ReadFile(path.Join("assets", file.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading asset %s: %w", file.Name(), err)
		}
		sum := sha256.Sum256(content)
		assets[file.Name()] = asset{content, contentType(path.Ext(file.Name())), `"` + hex.EncodeToString(sum[:8]) + `"`}
	}
	return assets, nil
}

// contentType returns the type of a file. The operating system's table differs between machines.
func contentType(extension string) string {
	switch extension {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return "application/octet-stream"
}

// asset serves a style sheet, script or image. Browsers revalidate it each time, because during a rolling update a page
// of one replica may load the assets of another.
func (h *Handler) asset(c echo.Context) error {
	a, ok := h.assets[c.Param("name")]
	if !ok {
		return failure.New(failure.NotFound)
	}
	header := c.Response().Header()
	header.Set("Cache-Control", "public, no-cache")
	header.Set("Content-Type", a.contentType)
	header.Set("ETag", a.etag)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(a.content))
	return nil
}
