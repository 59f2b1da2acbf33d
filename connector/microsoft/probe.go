package microsoft

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
	"azure-partner-connector/connector/token"
	"azure-partner-connector/connector/trace"
)

// applicationName identifies this product to Partner Center.
const applicationName = "Azure Partner Connector"

// A verdict is what an answer to a probe proves.
type verdict struct {
	works   token.Answer
	mfa     token.Answer
	failure *failure.Error // nil when works is yes
}

// worked is the verdict of a successful answer.
func worked() verdict { return verdict{token.Yes, token.Unknown, nil} }

// failed is the verdict of f. A transient failure, or an answer that cannot be read, proves nothing.
func failed(f *failure.Error) verdict {
	works := token.No
	if kind := f.Kind(); kind == failure.Transient || kind == failure.Internal {
		works = token.Unknown
	}
	return verdict{works, token.Unknown, f}
}

// Probe implements token.Microsoft, with the reads of docs/reference/microsoft-identity.md §5.5, and those that the operator
// configured for further apis; without one, nothing is sent. Only Partner Center's
// answer can say whether the sign-in used MFA.
func (c *Client) Probe(ctx context.Context, client tenant.Client, api token.API, accessToken secret.Text) token.Probe {
	ctx, span := trace.Start(ctx, "probe", trace.String("connector.cloud", client.Cloud), trace.String("connector.directory", client.DirectoryID),
		trace.String("connector.api", string(api)))
	start := c.now()
	v := c.probe(ctx, client, api, accessToken)
	probe := token.Probe{Works: v.works, At: c.now(), MFA: v.mfa}
	var kind, code string
	if v.failure != nil {
		probe.Failure = failure.NewRecord(ctx, v.failure)
		kind, code = string(v.failure.Kind()), string(v.failure.Code)
	}
	c.log.LogAttrs(ctx, slog.LevelInfo, "probe",
		slog.String("cloud", client.Cloud),
		slog.String("directory", client.DirectoryID),
		slog.String("api", string(api)),
		slog.Duration("dur", probe.At.Sub(start)),
		slog.String("works", string(v.works)),
		slog.String("mfa", string(v.mfa)),
		slog.String("kind", kind),
		slog.String("code", code),
		slog.String("reference", failure.Reference(ctx)),
	)
	span.Add(trace.String("connector.works", string(v.works)))
	span.End(asError(v.failure))
	return probe
}

func (c *Client) probe(ctx context.Context, client tenant.Client, api token.API, accessToken secret.Text) verdict {
	r, err := c.resolve(client)
	if err != nil {
		return failed(failure.From(err))
	}
	endpoint, err := r.endpoint(api)
	if err != nil {
		return failed(failure.From(err))
	}
	path, evaluate := "/v1/profiles/organization", c.evaluatePartnerCenter
	switch api {
	case token.Graph:
		path, evaluate = "/v1.0/organization?$select=id,displayName,verifiedDomains", c.evaluateGraph
	case token.ARM:
		path, evaluate = "/tenants?api-version=2022-12-01", c.evaluateARM
	}
	if a, ok := r.Deployment.API(string(api)); ok {
		if a.Probe == "" {
			return verdict{token.Unknown, token.Unknown, nil}
		}
		path, evaluate = a.Probe, c.evaluateFurther(api)
	}
	req, f := apiRequest(ctx, api, endpoint.BaseURL+path, accessToken)
	if f != nil {
		return failed(f)
	}
	answer, f := c.get(c.probeHTTP, req)
	if f != nil {
		return failed(f)
	}
	return evaluate(r, answer, accessToken)
}

// apiRequest returns a read of address with the headers of api. The IDs stay the same in retries, as Partner Center
// requires (docs/reference/microsoft-identity.md §5.5).
func apiRequest(ctx context.Context, api token.API, address string, accessToken secret.Text) (*http.Request, *failure.Error) {
	req, f := newGet(ctx, address)
	if f != nil {
		return nil, f
	}
	req.Header.Set("Authorization", "Bearer "+accessToken.Reveal())
	switch api {
	case token.PartnerCenter:
		req.Header.Set("ValidateMfa", "true")
		req.Header.Set("MS-RequestId", random.ID())
		req.Header.Set("MS-CorrelationId", random.ID())
		req.Header.Set("MS-PartnerCenter-Application", applicationName)
	case token.Graph:
		req.Header.Set("client-request-id", random.ID())
	case token.ARM:
		req.Header.Set("x-ms-client-request-id", random.ID())
	}
	return req, nil
}

// evaluatePartnerCenter reads an organization profile.
func (c *Client) evaluatePartnerCenter(r resolvedClient, answer reply, accessToken secret.Text) verdict {
	v := worked()
	switch {
	case mfaDemanded(answer):
		v = failed(c.apiFailure(failure.MFAMissing, answer))
		v.mfa = token.No
		return v
	case answer.status == http.StatusForbidden:
		v = failed(c.apiFailure(failure.NotAPartner, answer, "username", username(accessToken)))
	case answer.status != http.StatusOK:
		v = failed(c.apiRefusal(token.PartnerCenter, answer))
	default:
		var profile struct {
			TenantID string `json:"tenantId"`
		}
		if answer.tooLong || json.Unmarshal(answer.body(), &profile) != nil || profile.TenantID == "" {
			v = failed(c.unreadable(answer))
		} else if !strings.EqualFold(profile.TenantID, r.DirectoryID) {
			v = failed(c.foreign(profile.TenantID, r, answer))
		}
	}
	v.mfa = mfaHeader(answer.header)
	return v
}

// mfaHeader reads what Partner Center says about the sign-in (docs/reference/microsoft-identity.md §4.5).
func mfaHeader(header http.Header) token.Answer {
	switch strings.ToLower(strings.TrimSpace(header.Get("isMfaCompliant"))) {
	case "true":
		return token.Yes
	case "false":
		return token.No
	}
	return token.Unknown
}

// evaluateGraph reads the organizations of a directory: a list of one, the directory itself.
func (c *Client) evaluateGraph(r resolvedClient, answer reply, _ secret.Text) verdict {
	if answer.status != http.StatusOK {
		return failed(c.apiRefusal(token.Graph, answer))
	}
	var list struct {
		Value []struct {
			ID string `json:"id"`
		} `json:"value"`
	}
	if answer.tooLong || json.Unmarshal(answer.body(), &list) != nil || len(list.Value) == 0 || list.Value[0].ID == "" {
		return failed(c.unreadable(answer))
	}
	if seen := list.Value[0].ID; !strings.EqualFold(seen, r.DirectoryID) {
		return failed(c.foreign(seen, r, answer))
	}
	return worked()
}

// evaluateARM reads the directories that the account can see. An empty list is a success, because a partner's directory
// may have no subscription.
func (c *Client) evaluateARM(_ resolvedClient, answer reply, _ secret.Text) verdict {
	if answer.status != http.StatusOK {
		return failed(c.apiRefusal(token.ARM, answer))
	}
	var list struct {
		Value *[]json.RawMessage `json:"value"`
	}
	if answer.tooLong || json.Unmarshal(answer.body(), &list) != nil || list.Value == nil {
		return failed(c.unreadable(answer))
	}
	return worked()
}

// evaluateFurther reads an answer of an api that the operator added. What it contains is not known.
func (c *Client) evaluateFurther(api token.API) func(resolvedClient, reply, secret.Text) verdict {
	return func(_ resolvedClient, answer reply, _ secret.Text) verdict {
		switch {
		case answer.status == http.StatusNoContent:
			return worked()
		case answer.status != http.StatusOK:
			return failed(c.apiRefusal(api, answer))
		case answer.tooLong || !json.Valid(answer.body()):
			return failed(c.unreadable(answer))
		}
		return worked()
	}
}

// foreign returns the failure of an answer for another directory.
func (c *Client) foreign(seen string, r resolvedClient, answer reply) *failure.Error {
	if !isGUID(seen) {
		return c.unreadable(answer)
	}
	return c.apiFailure(failure.WrongDirectory, answer, "seen", strings.ToLower(seen), "expected", r.DirectoryID)
}
