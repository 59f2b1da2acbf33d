package onboarding

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
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
	logoPath   = "/logo"
	// product is the name of these pages, the same in all languages.
	product = "Partner Onboarding Web Application"
)

// pages holds the templates, each combined with the layout.
type pages struct {
	byName map[string]*template.Template // name without extension → page in its layout
}

// A view is the data of a page's template.
type view struct {
	Lang  string
	Title string // in Lang
	Page  string // its template
	Base  string // path prefix of all our addresses
	Here  string // address of the page, up to the parameter with which it is in another language
	Logo  string // path of the logo below Base
	Brand Brand
	Data  any

	languages *languages
}

// Product returns the name of these pages.
func (view) Product() string { return product }

// Languages returns the languages that the visitor can choose; none on pages that lead on by themselves.
func (v view) Languages() []choice {
	if v.Page == "start" || v.Page == "handover" {
		return nil
	}
	return v.languages.choices()
}

// LanguageName returns the name of the page's language in that language.
func (v view) LanguageName() string { return nameOf(v.Lang) }

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
	v := view{
		Lang: lang, Title: h.languages.text(lang, title), Page: name, Base: h.base, Here: h.here(c), Logo: strings.TrimPrefix(assetPath, "/") + "icon.svg",
		Brand: h.cfg.Brand, Data: data, languages: h.languages,
	}
	if len(h.cfg.Brand.Logo) > 0 {
		v.Logo = strings.TrimPrefix(logoPath, "/")
	}
	var page bytes.Buffer
	if err := h.pages.byName[name].ExecuteTemplate(&page, layoutPage+".html", v); err != nil {
		return fmt.Errorf("rendering page %s: %w", name, err)
	}
	header := c.Response().Header()
	header.Set("Content-Language", lang)
	header.Set("Vary", "Accept-Language, Cookie")
	return c.HTMLBlob(status, page.Bytes())
}

// here returns the address of the page that answers c, for its languages; the requested one without its path, so that no page
// repeats a link or what somebody takes for one. What followed a form or Microsoft's answer can't be opened again.
func (h *Handler) here(c echo.Context) string {
	switch strings.TrimPrefix(c.Path(), h.base) {
	case "/callback", "/disown":
		return h.base + "/done?"
	case "/done":
		if c.QueryParams().Has(consentParameter) {
			return "?" + consentParameter + "&"
		}
	}
	return "?"
}

// consentPath returns the address of the landing page of a link.
func (h *Handler) consentPath(link string) string { return h.base + "/consent/" + url.PathEscape(link) }

// logo serves the marketplace's logo.
func (h *Handler) logo(c echo.Context) error {
	if len(h.cfg.Brand.Logo) == 0 {
		return failure.New(failure.NotFound)
	}
	return serve(c, newAsset(h.cfg.Brand.Logo, h.cfg.Brand.LogoType))
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
		assets[file.Name()] = newAsset(content, contentType(path.Ext(file.Name())))
	}
	return assets, nil
}

func newAsset(content []byte, contentType string) asset {
	sum := sha256.Sum256(content)
	return asset{content, contentType, `"` + hex.EncodeToString(sum[:8]) + `"`}
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

// asset serves a style sheet, script or image.
func (h *Handler) asset(c echo.Context) error {
	a, ok := h.assets[c.Param("name")]
	if !ok {
		return failure.New(failure.NotFound)
	}
	return serve(c, a)
}

// serve answers with a file. Browsers revalidate it each time, because during a rolling update a page of one replica may load the
// files of another.
func serve(c echo.Context, a asset) error {
	header := c.Response().Header()
	header.Set("Cache-Control", "public, no-cache")
	header.Set("Content-Type", a.contentType)
	header.Set("ETag", a.etag)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(a.content))
	return nil
}
