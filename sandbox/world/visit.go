package world

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"

	"azure-partner-connector/sandbox/microsoft"
)

// A Page is a page that a visitor sees.
type Page struct {
	Status int
	Text   string // with entities resolved
}

// NewBrowser returns an HTTP client with its own cookies that follows no redirect. It stands for a visitor's browser.
func NewBrowser() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // only a public suffix list could fail, and none is given
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Visit follows a consent link as a person does: through the landing page, if there is one, to Microsoft and back.
func (w *World) Visit(ctx context.Context, browser *http.Client, link string, v microsoft.Visitor) (Page, error) {
	callback, err := w.SignIn(ctx, browser, link, v)
	if err != nil {
		return Page{}, err
	}
	return w.Return(ctx, browser, callback)
}

// SignIn follows a consent link until Microsoft redirects back, and returns the redirect URL.
func (w *World) SignIn(ctx context.Context, browser *http.Client, link string, v microsoft.Visitor) (callback string, err error) {
	landing, signIn, err := fetch(ctx, browser, http.MethodGet, link)
	if err == nil && signIn == "" && landing.Status == http.StatusOK {
		landing, signIn, err = fetch(ctx, browser, http.MethodPost, link) // the Continue button
	}
	if err != nil {
		return "", err
	}
	if signIn == "" {
		return "", fmt.Errorf("the landing page does not redirect: %d", landing.Status)
	}
	at, err := microsoft.SignIn(ctx, browser, signIn, v)
	if err != nil {
		return "", err
	}
	return at.String(), nil
}

// Return opens the redirect URL and returns the final page. The code must not remain in the address bar.
func (w *World) Return(ctx context.Context, browser *http.Client, callback string) (Page, error) {
	page, done, err := fetch(ctx, browser, http.MethodGet, callback)
	if err != nil || done == "" {
		return page, err
	}
	if strings.Contains(done, "code=") {
		return Page{}, errors.New("the authorization code is still in the address bar")
	}
	page, _, err = fetch(ctx, browser, http.MethodGet, done)
	return page, err
}

// fetch returns a page and its redirect, if any.
func fetch(ctx context.Context, browser *http.Client, method, address string) (page Page, location string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return Page{}, "", err
	}
	answer, err := browser.Do(request)
	if err != nil {
		return Page{}, "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return Page{}, "", err
	}
	if to := answer.Header.Get("Location"); to != "" {
		at, err := request.URL.Parse(to)
		if err != nil {
			return Page{}, "", err
		}
		location = at.String()
	}
	return Page{answer.StatusCode, html.UnescapeString(string(content))}, location, nil
}
