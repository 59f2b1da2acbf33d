package api

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/secret"
)

const (
	// identityVersion is the version of App Service's protocol that clients speak.
	identityVersion = "2019-08-01"
	// identityHeader has the key.
	identityHeader = "X-IDENTITY-HEADER"
	// metadataHeader is that of another protocol, for virtual machines.
	metadataHeader = "Metadata"
)

// An identityAnswer is an access token as App Service answers it (docs/reference/token-api.md §2).
type identityAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresOn   string `json:"expires_on"` // Unix time
	Resource    string `json:"resource"`
	TokenType   string `json:"token_type"`
	ClientID    string `json:"client_id,omitempty"` // the directory that was asked for
}

// identityToken is the endpoint of a managed identity. The query's client_id names a directory.
func (h *Handler) identityToken(c *call) error {
	header := c.Request().Header
	if err := h.authenticate(c, secret.New(header.Get(identityHeader))); err != nil {
		if header.Get(metadataHeader) != "" && header.Get(identityHeader) == "" {
			return badRequest("the header Metadata is that of virtual machines; set IDENTITY_ENDPOINT and IDENTITY_HEADER, as in App Service")
		}
		return err
	}
	query, err := c.readQuery()
	if err != nil {
		return err
	}
	switch {
	case query.Get("api-version") != identityVersion:
		return badRequest("api-version is not " + identityVersion)
	case query.Get("resource") == "":
		return badRequest("resource is missing")
	case query.Has("mi_res_id"), query.Has("msi_res_id"), query.Has("object_id"), query.Has("principal_id"):
		return badRequest("an identity is chosen by client_id only, which names a directory")
	}
	directory := c.Param("directory")
	if named := query.Get("client_id"); named != "" {
		if directory != "" && !strings.EqualFold(directory, named) {
			return badRequest("the address and client_id name different directories")
		}
		directory = cmp.Or(directory, named)
	}
	loan, err := h.lend(c, directory, query.Get("resource"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, identityAnswer{
		loan.AccessToken.Reveal(), strconv.FormatInt(loan.ExpiresAt.Unix(), 10), query.Get("resource"), "Bearer", query.Get("client_id"),
	})
}

// An identityRefusal is the body of a refusal as App Service answers it.
type identityRefusal struct {
	StatusCode int    `json:"statusCode"`
	Message    string `json:"message"`
}

func refuseIdentity(_ *Handler, c *call, f *failure.Error, _ error) error {
	status := f.Status()
	later, mayPass := retryable(c, f)
	switch {
	case mayPass:
		status = later
	case f.Kind() == failure.Internal:
		status = http.StatusInternalServerError
	case f.Kind() != "", f.Code == failure.NotFound && c.client.Name != "":
		status = http.StatusBadRequest // SDKs repeat 404, 410, 429 and 5xx, which helps nobody here
	}
	return c.JSON(status, identityRefusal{status, explanation(c, f)})
}
