package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed openapi.json
var openAPIDocument []byte

// documentFor returns the OpenAPI document of a handler at a public address.
func documentFor(base string) ([]byte, error) {
	var document map[string]any
	if err := json.Unmarshal(openAPIDocument, &document); err != nil {
		return nil, fmt.Errorf("api: reading openapi.json: %w", err)
	}
	document["servers"] = []map[string]string{{"url": base}}
	return json.Marshal(document)
}
