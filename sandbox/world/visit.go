package world

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
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

// An Attempt is a consent that has begun.
type Attempt struct{ ID, URL string }

// Begin begins an automatic consent as the screen of a user does in a browser: the start page says which browser it is, and the
// user's panel sends that along.
func (w *World) Begin(ctx context.Context, login string, browser *http.Client) (Attempt, error) {
	var status struct{ OnboardingURL string }
	if err := w.ask(ctx, login, http.MethodGet, "tokenStatus", nil, &status); err != nil {
		return Attempt{}, err
	}
	known, err := w.Browser(ctx, browser, status.OnboardingURL)
	if err != nil {
		return Attempt{}, err
	}
	return w.BeginWith(ctx, login, map[string]string{"browser": known})
}

// BeginWith begins an automatic consent with what a panel sends.
func (w *World) BeginWith(ctx context.Context, login string, request map[string]string) (Attempt, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return Attempt{}, err
	}
	var begun Attempt
	err = w.ask(ctx, login, http.MethodPost, "consents", body, &begun)
	return begun, err
}

// ask calls an operation of a user's tenant.
func (w *World) ask(ctx context.Context, login, method, operation string, body []byte, out any) error {
	answer := w.As(ctx, login, method, w.TenantOf(login).ID, operation, body)
	if answer.Status != http.StatusOK {
		return fmt.Errorf("%s as %s answers %d: %s", operation, login, answer.Status, answer.Body)
	}
	return json.Unmarshal(answer.Body, out)
}

var startBrowser = regexp.MustCompile(`data-browser="([^"]+)"`)

// Browser opens a start page and returns what it tells the panel about the browser.
func (w *World) Browser(ctx context.Context, browser *http.Client, startURL string) (string, error) {
	page, _, err := fetch(ctx, browser, http.MethodGet, startURL)
	if err != nil {
		return "", err
	}
	found := startBrowser.FindStringSubmatch(page.Text)
	if found == nil {
		return "", fmt.Errorf("the start page says nothing about the browser: %d", page.Status)
	}
	return found[1], nil
}

// Visit follows a consent link as a person does: through the landing page, if there is one, to Microsoft and back.
func (w *World) Visit(ctx context.Context, browser *http.Client, link string, v microsoft.Visitor) (Page, error) {
	callback, err := w.SignIn(ctx, browser, link, v)
	if err != nil {
		return Page{}, err
	}
	return w.Return(ctx, browser, callback)
}

// Open opens an address.
func (w *World) Open(ctx context.Context, browser *http.Client, address string) (Page, error) {
	page, _, err := fetch(ctx, browser, http.MethodGet, address)
	return page, err
}

// Disown presses "This wasn't me" on the page of a browser's last consent, and returns the page that follows.
func (w *World) Disown(ctx context.Context, browser *http.Client) (Page, error) {
	page, done, err := fetch(ctx, browser, http.MethodPost, w.OnboardingURL+"/disown")
	if err != nil || done == "" {
		return page, errors.Join(err, fmt.Errorf("the consent was not taken back: %d", page.Status))
	}
	return w.Open(ctx, browser, done)
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
