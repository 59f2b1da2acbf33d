package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"azure-partner-connector/connector/certificate"
	"azure-partner-connector/connector/config"
	"azure-partner-connector/connector/platform/oauth1"
)

// Advice about the public addresses.
const (
	adviceUnreachable = "Check the name, the firewall, the proxy in front, and that connector serve runs. Where machines inside cannot reach their own public address, try from outside."
	adviceOtherServer = "Something else answers there: check the host and the path of the proxy in front, and %s."
	adviceSignature   = "Something in front changes the scheme, the host or the path that was signed, or the connector there has another secret or clock. Its log says which address it compared (record \"hook answered\"); docs/guides/proxy.md has samples."
)

// outside calls the listeners for the platform and for browsers at their public addresses, as those reach them: through whatever
// is in front.
func (e *examination) outside(ctx context.Context, cfg config.Config) {
	for _, in := range cfg.Instances {
		if !e.hooks(ctx, cfg.Hooks.PublicURL, in) {
			break // the others have the same address
		}
	}
	e.onboarding(ctx, cfg.Onboarding.PublicURL)
}

// hooks calls the connector with the signature of an instance. It reports whether the connector was reached.
func (e *examination) hooks(ctx context.Context, publicURL string, in config.Instance) (reached bool) {
	check := "hooks of " + in.Key
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+"/app/$schema", nil)
	if err == nil {
		err = oauth1.Sign(request, oauth1.Credentials{Key: in.Key, Secret: in.Secret}, e.Now(), oauth1.NewNonce())
	}
	if err != nil {
		e.fail(check, err.Error()+".", "")
		return false
	}
	got, ok := e.call(check, request)
	reference := got.header.Get("X-Reference")
	switch {
	case !ok:
		return false
	case reference == "":
		e.fail(check, fmt.Sprintf("%s answers %d, and not as the connector does.", publicURL, got.status), fmt.Sprintf(adviceOtherServer, "hooks.publicURL"))
		return false
	case got.status == http.StatusUnauthorized:
		e.fail(check, fmt.Sprintf("The connector at %s refuses a call that was signed with the secret of this instance.", publicURL), adviceSignature)
	case got.status != http.StatusOK:
		e.warn(check, fmt.Sprintf("The connector at %s answers %d.", publicURL, got.status), "Search its log for the reference "+reference+".")
	default:
		e.ok(check, "a signed call arrives at %s%s", publicURL, got.ends())
	}
	return true
}

func (e *examination) onboarding(ctx context.Context, publicURL string) {
	const check = "onboarding pages"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, publicURL+"/done", nil)
	if err != nil {
		e.fail(check, err.Error()+".", "")
		return
	}
	got, ok := e.call(check, request)
	switch {
	case !ok:
	case got.status != http.StatusOK || got.header.Get("X-Robots-Tag") == "" || got.header.Get("Content-Language") == "":
		e.fail(check, fmt.Sprintf("%s answers %d, and not as the connector does.", publicURL, got.status), fmt.Sprintf(adviceOtherServer, "onboarding.publicURL"))
	default:
		e.ok(check, "arrive at %s%s", publicURL, got.ends())
	}
}

// An answered is what a public address answered.
type answered struct {
	status      int
	header      http.Header
	certificate *x509.Certificate // nil without TLS
}

// call sends a request to a public address. Failures and certificates that end soon are findings; ok is false after a failure.
// An address that cannot be reached is a warning, because it may be reachable from outside.
func (e *examination) call(check string, request *http.Request) (got answered, ok bool) {
	address := request.URL.Scheme + "://" + request.URL.Host
	answer, err := e.HTTP.Do(request)
	if err != nil {
		if whose, untrusted := untrusted(err); untrusted {
			e.fail(check, fmt.Sprintf("%s shows a certificate that this machine does not trust: it is %s.", address, whose), "The platform and browsers must trust the certificate.")
			return answered{}, false
		}
		e.warn(check, fmt.Sprintf("%s cannot be reached from here: %v.", address, errors.Unwrap(err)), adviceUnreachable)
		return answered{}, false
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, maxDocument))
	got = answered{status: answer.StatusCode, header: answer.Header}
	if answer.TLS != nil && len(answer.TLS.PeerCertificates) > 0 {
		got.certificate = answer.TLS.PeerCertificates[0]
	}
	if leaf := got.certificate; leaf != nil && certificate.EndsSoon(leaf, e.Now()) {
		e.warn(check, fmt.Sprintf("The certificate of %s ends on %s.", address, leaf.NotAfter.UTC().Format(time.RFC3339)), "Replace it in the proxy in front, or in the files of the listener.")
	}
	return got, true
}

// ends says until when the certificate of an answer's server is valid.
func (a answered) ends() string {
	if a.certificate == nil {
		return ""
	}
	return ", whose certificate ends on " + a.certificate.NotAfter.UTC().Format(time.DateOnly)
}

// untrusted reports whether a server's certificate was not trusted, and describes the certificate.
func untrusted(err error) (whose string, yes bool) {
	refused := (*tls.CertificateVerificationError)(nil)
	if !errors.As(err, &refused) || len(refused.UnverifiedCertificates) == 0 {
		return "", false
	}
	leaf := refused.UnverifiedCertificates[0]
	return fmt.Sprintf("for %q, signed by %q", leaf.Subject.String(), leaf.Issuer.String()), true
}
