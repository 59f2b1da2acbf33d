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

// pages are the templates, each together with the layout.
type pages struct {
	byName map[string]*template.Template // name without extension → page in its layout
}

// A view is what a page is made of.
type view struct {
	Lang  string
	Title string // in Lang
	Base  string // path before every address of ours
	Data  any

	languages *languages
}

// T returns an English text in the language of the page, with its __named__ places filled from pairs.
func (v view) T(text string, pairs ...string) string { return v.languages.text(v.Lang, text, pairs...) }

// ISO returns t for machines.
func (v view) ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// UTC returns t for people. The script shows it in their own zone and manner.
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

// render answers with a page. Nothing is sent before the page is complete.
func (h *Handler) render(c echo.Context, status int, name, title string, data any) error {
	lang := h.language(c)
	v := view{Lang: lang, Title: h.languages.text(lang, title), Base: h.base, Data: data, languages: h.languages}
	var page bytes.Buffer
	if err := h.pages.byName[name].ExecuteTemplate(&page, layoutPage+".html", v); err != nil {
		return fmt.Errorf("making page %s: %w", name, err)
	}
	header := c.Response().Header()
	header.Set("Content-Language", lang)
	header.Set("Vary", "Accept-Language, Cookie")
	return c.HTMLBlob(status, page.Bytes())
}

// An asset is a file that pages refer to.
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

// contentTypes returns the type of a file; the machine's own table would differ from machine to machine.
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

// asset serves a style, script or image. Browsers ask each time whether it changed: while replicas are being replaced,
// a page of one may get its style from another.
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
