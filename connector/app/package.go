package app

import (
	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

// Package returns the platform package of this program, published under id, or under the id in app.yaml when id is
// empty.
func Package(id string) (*pack.Package, error) {
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		return nil, err
	}
	p = p.With(azurepartner.NoticesName, azurepartner.Notices())
	if id == "" {
		return p, nil
	}
	return p.WithID(id)
}
