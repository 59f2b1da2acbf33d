package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"

	"azure-partner-connector/sandbox/microsoft"
)

// claimCode matches the claim code on a page.
var claimCode = regexp.MustCompile(`\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b`)

// errNoPage is returned by visit when a page of the connector is not the expected one.
var errNoPage = errors.New("the page is another one")

// visit follows a consent link to Microsoft and back, as a person does, and returns the claim code on the last page.
func visit(ctx context.Context, link string, v microsoft.Visitor) (code string, err error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	signIn, err := redirected(ctx, browser, http.MethodPost, link) // Continue on the landing page
	if err != nil {
		return "", err
	}
	callback, err := microsoft.SignIn(ctx, browser, signIn, v)
	if err != nil {
		return "", err
	}
	done, err := redirected(ctx, browser, http.MethodGet, callback.String())
	if err != nil {
		return "", err
	}
	status, page, _, err := fetch(ctx, browser, http.MethodGet, done)
	if err != nil {
		return "", err
	}
	if code = claimCode.FindString(page); status != http.StatusOK || code == "" {
		return "", fmt.Errorf("%w: no claim code, status %d", errNoPage, status)
	}
	return code, nil
}

// redirected returns where an address redirects to.
func redirected(ctx context.Context, browser *http.Client, method, address string) (string, error) {
	status, _, to, err := fetch(ctx, browser, method, address)
	if err == nil && to == "" {
		err = fmt.Errorf("%w: no redirect, status %d", errNoPage, status)
	}
	return to, err
}

// fetch returns an answer. Its errors omit the address, which contains a secret.
func fetch(ctx context.Context, browser *http.Client, method, address string) (status int, page, to string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return 0, "", "", errors.New("creating a request: bad address")
	}
	answer, err := browser.Do(request)
	if err != nil {
		return 0, "", "", errNoPage
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", "", fmt.Errorf("reading a page: %w", err)
	}
	if location := answer.Header.Get("Location"); location != "" {
		at, err := request.URL.Parse(location)
		if err != nil {
			return 0, "", "", errors.New("reading a redirect: bad address")
		}
		to = at.String()
	}
	return answer.StatusCode, string(content), to, nil
}
