package pack_test

import (
	"fmt"
	"strings"
	"testing"

	azurepartner "azure-partner-connector"
	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/schemas"
	uiextension "azure-partner-connector/ui-extension"
)

// The package of this repository passes Check without advice, also under another id.
func TestBuild_Repository(t *testing.T) {
	p, err := pack.Load(azurepartner.Manifest(), schemas.Files, uiextension.Files())
	if err != nil {
		t.Fatalf("Load() = %v, want a package", err)
	}
	built := func(p *pack.Package) {
		t.Helper()
		content, err := p.Build()
		if err != nil {
			t.Fatalf("Build() of %s = %v, want a package", p.ID(), err)
		}
		if findings := check(content); len(findings) > 0 {
			t.Errorf("Check() of %s = %v, want no finding", p.ID(), findings)
		}
	}
	built(p)
	// CloudBlue's installer wants the root type to have the version of the package (docs/reference/aps-protocol.md §7.3).
	version, _ := p.Version()
	if root, _ := p.Schema("app"); version != schemas.Version || !strings.Contains(string(root), fmt.Sprintf(`"id": "%s/app/%d.0"`, p.ID(), version)) {
		t.Errorf("package version = %d, types of version %d, root %.200s, want one version", version, schemas.Version, root)
	}
	renamed, err := p.WithID("http://operator.example.net/azp")
	if err != nil {
		t.Fatalf("WithID() = %v, want a package", err)
	}
	built(renamed)
}
