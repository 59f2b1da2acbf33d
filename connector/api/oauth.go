package api

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"azure-partner-connector/connector/client"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/random"
	"azure-partner-connector/connector/secret"
	"azure-partner-connector/connector/tenant"
)

// metadataPath is where clients find the metadata of the authorization server (RFC 8414 §3).
const metadataPath = "/.well-known/oauth-authorization-server"

// An oauthError is a refusal with an error code of RFC 6749 §5.2 that its failure code does not imply.
type oauthError struct {
	code string
	error
}

func (e *oauthError) Unwrap() error { return e.error }

// A tokenAnswer is an access token (RFC 6749 §5.1).
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"`
	Scope       string `json:"scope"`
}

// oauthToken is the token endpoint, for the grant type client_credentials (RFC 6749 §4.4).
func (h *Handler) oauthToken(c *call) error {
	form, err := c.form()
	if err != nil {
		return err
	}
	if err := h.authenticateOAuth(c, form); err != nil {
		return err
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		if grant == "" {
			return badRequest("grant_type is missing")
		}
		return &oauthError{"unsupported_grant_type", badRequest("grant_type is not client_credentials")}
	}
	scope, resource := form.Get("scope"), form.Get("resource") // RFC 8707
	if scope == "" {
		scope, resource = resource, ""
	}
	switch len(strings.Fields(scope)) {
	case 0:
		return &oauthError{"invalid_scope", badRequest("scope is missing: name an api, or its resource followed by /.default")}
	case 1:
	default:
		return &oauthError{"invalid_scope", badRequest("scope names more than one resource; request one access token for each")}
	}
	directory := c.Param("directory")
	if named := form.Get("directory"); named != "" {
		if directory != "" && !strings.EqualFold(directory, named) {
			return badRequest("the address and the form name different directories")
		}
		directory = cmp.Or(directory, named)
	}
	loan, err := h.lend(c, directory, strings.TrimSpace(scope), resource)
	if errors.Is(err, errUnknownResource) || errors.Is(err, errTwoResources) {
		return &oauthError{"invalid_scope", err}
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, tokenAnswer{loan.AccessToken.Reveal(), "Bearer", h.seconds(loan.ExpiresAt), scope})
}

// form reads the body of a request to the token endpoint. Parameters in the address do not count: addresses are logged by others.
func (c *call) form() (url.Values, error) {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	if err != nil || kind != echo.MIMEApplicationForm {
		return nil, badRequest("the body is not a form (application/x-www-form-urlencoded)")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response(), c.Request().Body, bodyLimit))
	if err != nil {
		if refusalOf(err).Code == failure.BodyTooLarge {
			return nil, err
		}
		return nil, failure.Wrap(err, failure.BadRequest, "reason", "the body could not be read")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, badRequest("the body is not a form") // the error quotes the form
	}
	for _, values := range form {
		if len(values) > 1 {
			return nil, badRequest("a parameter is repeated") // RFC 6749 §3.2
		}
	}
	return form, nil
}

// authenticateOAuth recognises the client by HTTP Basic or by the form (RFC 6749 §2.3.1), by one of them, by an assertion that it
// has signed (RFC 7523 §2.2), or by its certificate (RFC 8705 §2), when it sends its name alone.
func (h *Handler) authenticateOAuth(c *call, form url.Values) error {
	if form.Has("client_assertion") || form.Has("client_assertion_type") {
		return h.authenticateAssertion(c, form)
	}
	id, key := form.Get("client_id"), form.Get("client_secret")
	if header := c.Request().Header.Get(echo.HeaderAuthorization); header != "" {
		user, password, ok := c.Request().BasicAuth()
		if !ok {
			return failure.New(failure.KeyUnknown)
		}
		if form.Has("client_secret") {
			return badRequest("the request has a key twice: in the header Authorization and in the form")
		}
		user, userErr := url.QueryUnescape(user)
		password, passwordErr := url.QueryUnescape(password)
		if userErr != nil || passwordErr != nil || id != "" && id != user {
			return failure.New(failure.KeyUnknown)
		}
		id, key = user, password
	}
	if err := h.authenticate(c, secret.New(key)); err != nil {
		return err
	}
	if c.client.Name != id {
		return failure.New(failure.KeyUnknown) // recorded, because the key is one of ours
	}
	return nil
}

// assertionType is the one type of assertions that there is (RFC 7523 §2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// authenticateAssertion recognises the client by an assertion.
func (h *Handler) authenticateAssertion(c *call, form url.Values) error {
	if form.Has("client_secret") || c.Request().Header.Get(echo.HeaderAuthorization) != "" {
		return badRequest("the request has an assertion and a key: send one of them")
	}
	if form.Get("client_assertion_type") != assertionType {
		return &oauthError{"invalid_client", badRequest("client_assertion_type is not " + assertionType)}
	}
	var err error
	c.client, err = h.cfg.Clients.AuthenticateAssertion(c.ctx(), secret.New(form.Get("client_assertion")), h.audiences(c))
	switch id := form.Get("client_id"); {
	case failure.Is(err, failure.BadRequest):
		return &oauthError{"invalid_client", err}
	case err == nil && id != "" && id != c.client.Name:
		return failure.New(failure.KeyUnknown) // recorded, because the assertion is one of ours
	}
	return err
}

// audiences returns the audiences that an assertion may have: the issuer or its token endpoint, of everyone or of the address of
// c, as the metadata and as the request write it.
func (h *Handler) audiences(c *call) []string {
	all := []string{h.base, h.base + "/oauth2/token"}
	if c.Param("tenant") == "" {
		return all
	}
	below := strings.TrimPrefix(c.Request().URL.Path, h.path)
	for _, endpoint := range []string{h.base + below, h.base + strings.ToLower(below)} {
		all = append(all, endpoint, strings.TrimSuffix(endpoint, "/token"))
	}
	return all
}

// A oauthRefusal is the body of a refusal (RFC 6749 §5.2).
type oauthRefusal struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
	URI         string `json:"error_uri,omitempty"`
}

func refuseOAuth(h *Handler, c *call, f *failure.Error, err error) error {
	status, code := http.StatusBadRequest, "invalid_request"
	later, mayPass := retryable(c, f)
	if named, ok := errors.AsType[*oauthError](err); ok {
		code = named.code
	} else {
		switch {
		case keyRefused(f):
			status, code = http.StatusUnauthorized, "invalid_client"
			c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Basic realm="token API", charset="UTF-8"`)
		case f.Code == failure.ClientNotAllowed, f.Code == failure.BorrowerNotAllowed, f.Code == failure.CustomersNotAllowed,
			f.Code == failure.CustomerNotListed:
			code = "unauthorized_client"
		case mayPass:
			status, code = later, "temporarily_unavailable"
		case f.Kind() == failure.Internal:
			status, code = http.StatusInternalServerError, "server_error"
		case f.Kind() != "":
			code = "invalid_grant" // the tenant's grant cannot be used
		case f.Code == failure.NotFound && c.client.Name == "", f.Code == failure.MethodNotAllowed:
			status = f.Status() // no route
		}
	}
	return c.JSON(status, oauthRefusal{code, descriptionText(explanation(c, f)), h.base + failuresPath + string(f.Code)})
}

// descriptionText returns text with only the characters that an error_description may have (RFC 6749 §5.2).
func descriptionText(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"', r == '‹', r == '›':
			return '\''
		case r == '\\':
			return '/'
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, text)
}

// A metadataAnswer is the metadata of an authorization server (RFC 8414 §2).
type metadataAnswer struct {
	Issuer               string   `json:"issuer"`
	TokenEndpoint        string   `json:"token_endpoint"`
	AuthMethods          []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgorithms       []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	GrantTypes           []string `json:"grant_types_supported"`
	ResponseTypes        []string `json:"response_types_supported"`
	Scopes               []string `json:"scopes_supported"`
	ServiceDocumentation string   `json:"service_documentation"`
}

// metadata describes the token endpoint of everyone, of a tenant or of a directory. It tells nothing about what exists.
func (h *Handler) metadata(c *call) error {
	issuer, endpoint := h.base, h.base+"/oauth2/token"
	if c.Param("tenant") != "" {
		id, ok := random.ParseID(c.Param("tenant"))
		if !ok {
			return failure.New(failure.NotFound)
		}
		issuer += "/oauth2/" + id
		if directory := c.Param("directory"); directory != "" {
			if _, ok := random.ParseID(directory); !ok && directory != tenant.PartnerDirectory {
				return failure.New(failure.NotFound)
			}
			issuer += "/" + strings.ToLower(directory)
		}
		endpoint = issuer + "/token"
	}
	methods := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	if c.Request().TLS != nil {
		methods = append(methods, "tls_client_auth", "self_signed_tls_client_auth") // RFC 8705 §2
	}
	return c.JSON(http.StatusOK, metadataAnswer{
		Issuer: issuer, TokenEndpoint: endpoint, AuthMethods: methods, AuthAlgorithms: client.AssertionAlgorithms(),
		GrantTypes: []string{"client_credentials"}, ResponseTypes: []string{}, Scopes: []string{"partnercenter", "graph", "arm"},
		ServiceDocumentation: h.base + "/openapi.json",
	})
}
