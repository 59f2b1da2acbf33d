package microsoft

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// A Visitor says what a person does on the pages.
type Visitor struct {
	UPN, Password string
	// ApproveMFA approves the request for a second factor; false denies it.
	ApproveMFA bool
	// RegisterMFA continues if more information is required; false cancels the page.
	RegisterMFA bool
	// Accept grants the consent; false declines it.
	Accept bool
	// Organization selects the check box, if there is one, to consent for the organization.
	Organization bool
}

// A PageError is a sign-in that ended on a page, or that showed the same page again.
type PageError struct {
	Title string // of the page
	Alert string // its text, with the AADSTS code
}

func (e *PageError) Error() string { return "sign-in stays on the page " + e.Title + ": " + e.Alert }

// maxPages is more pages than any sign-in has.
const maxPages = 12

// SignIn opens authorizeURL and submits the real forms of the pages as v says, without a browser. It returns the
// address of the redirect to the application and does not follow it; in the response mode form_post, the fields become
// the query of that address. The cookie jar of client, if any, is the browser's; its CheckRedirect is not used. A
// sign-in that does not reach the redirect returns a *PageError.
func SignIn(ctx context.Context, client *http.Client, authorizeURL string, v Visitor) (*url.URL, error) {
	at, err := url.Parse(authorizeURL)
	if err != nil {
		return nil, fmt.Errorf("reading the authorize URL: %w", err)
	}
	browser := *client
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, authorizeURL, nil)
	if err != nil {
		return nil, fmt.Errorf("preparing the authorize request: %w", err)
	}
	seen := make(map[string]bool) // submitted pages: if one comes again, its form was not accepted
	for range maxPages {
		shown, location, err := open(&browser, request)
		if err != nil {
			return nil, err
		}
		if location != "" {
			return at.Parse(location)
		}
		target, err := at.Parse(shown.action)
		if err != nil {
			return nil, fmt.Errorf("reading a form's address: %w", err)
		}
		if shown.form == "formpost" {
			target.RawQuery = shown.fields.Encode()
			return target, nil
		}
		if shown.action == "" || seen[shown.form] {
			return nil, &PageError{Title: shown.title, Alert: shown.alert}
		}
		seen[shown.form] = true
		if err := v.fill(&shown); err != nil {
			return nil, err
		}
		request, err = http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(shown.fields.Encode()))
		if err != nil {
			return nil, fmt.Errorf("preparing a form: %w", err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return nil, errors.New("the sign-in does not end")
}

// open sends a request and returns the page, or the address of the redirect.
func open(browser *http.Client, request *http.Request) (shown shownPage, location string, err error) {
	answer, err := browser.Do(request)
	if err != nil {
		return shown, "", fmt.Errorf("opening a sign-in page: %w", err)
	}
	defer answer.Body.Close()
	if location := answer.Header.Get("Location"); location != "" {
		return shown, location, nil
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return shown, "", fmt.Errorf("reading a sign-in page: %w", err)
	}
	if shown, err = parsePage(body); err != nil {
		return shown, "", fmt.Errorf("reading a sign-in page: %w", err)
	}
	return shown, "", nil
}

// A shownPage is the parsed form of a page.
type shownPage struct {
	title, alert string
	form, action string            // id and address of the page's form
	ids          map[string]string // id of a button → its name=value
	fields       url.Values
}

// press adds a button's value to the form.
func (p *shownPage) press(id string) error {
	pair, ok := p.ids[id]
	if !ok {
		return fmt.Errorf("the page %q has no button %q", p.title, id)
	}
	name, value, _ := strings.Cut(pair, "=")
	if name != "" {
		p.fields.Set(name, value)
	}
	return nil
}

// fill fills in the form of a page as v says.
func (v Visitor) fill(p *shownPage) error {
	choose := func(yes bool, accept, decline string) error {
		if yes {
			return p.press(accept)
		}
		return p.press(decline)
	}
	switch p.form {
	case "pick-form":
		p.fields.Set("account", strings.ToLower(v.UPN))
		return nil
	case "account-form":
		p.fields.Set("username", v.UPN)
		return p.press("account-next")
	case "password-form":
		p.fields.Set("password", v.Password)
		return p.press("password-next")
	case "register-form":
		return choose(v.RegisterMFA, "mfa-register", "mfa-cancel")
	case "mfa-form":
		return choose(v.ApproveMFA, "mfa-approve", "mfa-deny")
	case "approval-form":
		return p.press("approval-return")
	case "consent-form":
		if _, offered := p.ids["consent-organization"]; offered && v.Organization {
			p.fields.Set("organization", "1")
		}
		return choose(v.Accept, "consent-accept", "consent-cancel")
	}
	return fmt.Errorf("the page %q has an unknown form %q", p.title, p.form)
}

// parsePage parses the only form of a page. A lenient XML decoder is enough for the pages of this package.
func parsePage(body []byte) (shownPage, error) {
	p := shownPage{ids: make(map[string]string), fields: make(url.Values)}
	decoder := xml.NewDecoder(strings.NewReader(string(body)))
	decoder.Strict, decoder.AutoClose, decoder.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var text *string // destination of character data
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		switch token := token.(type) {
		case xml.CharData:
			if text != nil {
				*text += string(token)
			}
		case xml.EndElement:
			text = nil
		case xml.StartElement:
			attributes := make(map[string]string)
			for _, a := range token.Attr {
				attributes[a.Name.Local] = a.Value
			}
			text = p.take(token.Name.Local, attributes)
		}
	}
}

// take reads one element, and returns the destination of its text.
func (p *shownPage) take(element string, attributes map[string]string) *string {
	switch {
	case element == "title":
		return &p.title
	case attributes["role"] == "alert":
		return &p.alert
	case element == "form":
		p.form, p.action = attributes["id"], attributes["action"]
	case element == "input" && attributes["type"] == "hidden":
		p.fields.Add(attributes["name"], attributes["value"])
	case element == "button", element == "input" && attributes["type"] == "checkbox":
		p.ids[attributes["id"]] = attributes["name"] + "=" + attributes["value"]
	}
	return nil
}
