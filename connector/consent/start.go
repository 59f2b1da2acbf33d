package consent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
)

// maxBrowser is how many bytes a panel may send about its browser: a keyed hash.
const maxBrowser = length.ID

// unlistedLife is how long an origin counts as missing after a consent began in it.
const unlistedLife = 30 * 24 * time.Hour

// A Request is what a panel knows about the browser that it is open in.
type Request struct {
	// Browser is what the start page told the panel (Start.Browser). Without it, the consent ends as a manual one.
	Browser string
	// Origin is the panel's own origin, to be named to the operator when the start page told the panel nothing.
	Origin string
}

// A Start is what the start page tells the panel that has opened it.
type Start struct {
	// Browser identifies the browser to Begin, for this instance only.
	Browser string
	// Origins are the panels that may know it.
	Origins []string
}

// StartURL returns the address of the start page of an instance, which a panel opens before it begins an automatic consent;
// "" when no panel may know its browser.
func (s *Service) StartURL(instanceKey string) string {
	if len(s.cfg.PanelOrigins[instanceKey]) == 0 {
		return ""
	}
	return s.cfg.PublicURL + "/start/" + startName(instanceKey)
}

// startName returns the name of an instance in the address of its start page. The key itself stays between us and the platform.
func startName(instanceKey string) string {
	sum := sha256.Sum256([]byte("start page of " + instanceKey))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Start returns what the start page with a name tells its panel about the browser with a cookie. It changes nothing.
func (s *Service) Start(_ context.Context, name, browser string) (Start, error) {
	for key, origins := range s.cfg.PanelOrigins {
		if startName(key) != name || len(origins) == 0 {
			continue
		}
		hash, err := s.hash(hashPanel, key+"/"+browser)
		return Start{hash, origins}, err
	}
	return Start{}, failure.New(failure.NotFound)
}

// check refuses a request that no panel sends.
func (r Request) check() error {
	if len(r.Browser) > maxBrowser {
		return failure.New(failure.BadRequest, "reason", "browser is too long")
	}
	if r.Origin != "" && !isOrigin(r.Origin) {
		return failure.New(failure.BadRequest, "reason", "origin is not scheme and host as browsers write them")
	}
	return nil
}

// isOrigin reports whether text is an origin as browsers write it: it is shown to the operator.
func isOrigin(text string) bool {
	u, err := url.Parse(text)
	return err == nil && length.Fits(text, length.Origin) && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		text == u.Scheme+"://"+u.Host && text == strings.ToLower(text) && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// unlisted reports whether the operator has to list the origin of a panel that could not learn its browser.
func (s *Service) unlisted(instanceKey string, r Request) bool {
	return r.Browser == "" && r.Origin != "" && !slices.Contains(s.cfg.PanelOrigins[instanceKey], r.Origin)
}

// UnlistedOrigins returns the panels of an instance that could not learn their browser because their origin is not listed:
// tenant ID → origin. It is what users of the tenants' panels sent, so an operator must know a panel before listing it.
func (s *Service) UnlistedOrigins(ctx context.Context, instanceKey string) (map[string]string, error) {
	origins, err := s.cfg.Store.UnlistedOrigins(ctx, instanceKey, s.cfg.Now().Add(-unlistedLife))
	if err != nil {
		return nil, fmt.Errorf("reading unlisted origins of %s: %w", instanceKey, err)
	}
	for id, origin := range origins {
		if slices.Contains(s.cfg.PanelOrigins[instanceKey], origin) {
			delete(origins, id)
		}
	}
	return origins, nil
}

// bind returns what a consent keeps of what the panel sent about its browser; "" for a panel that sent nothing.
func (s *Service) bind(consentID, panelBrowser string) (string, error) {
	if panelBrowser == "" {
		return "", nil
	}
	return s.hash(hashBegun, consentID+"/"+panelBrowser)
}

// takesEffect reports whether an automatic consent takes effect in the browser with a cookie: only in the one in whose panel it
// began. State and cookie prove only that the browser that opened Microsoft's page came back, not that its user wanted to open it.
func (s *Service) takesEffect(r tenant.Resolved, c Consent, browser string) (bool, error) {
	if c.Procedure != token.Automatic || c.BrowserHash == "" || browser == "" {
		return false, nil
	}
	panel, err := s.hash(hashPanel, r.Instance.Key+"/"+browser)
	if err != nil {
		return false, err
	}
	hash, err := s.bind(c.ID, panel)
	return err == nil && subtle.ConstantTimeCompare([]byte(hash), []byte(c.BrowserHash)) == 1, err
}
