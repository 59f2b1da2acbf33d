package panel_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	azurepartner "azure-partner-connector"
)

// TestSources_AreAllFiles checks that sources, whose files the other tests check, returns every file that a panel can load.
func TestSources_AreAllFiles(t *testing.T) {
	checked := sources(t)
	err := fs.WalkDir(os.DirFS(extension), "ui", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && checked[name] == "" {
			t.Errorf("%s is not checked", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var manifest any
	if err := yaml.Unmarshal(azurepartner.Manifest(), &manifest); err != nil {
		t.Fatal(err)
	}
	screens := 0
	for _, src := range leaves(manifest, "src") {
		if strings.HasPrefix(src, "ui/") {
			screens++
			if checked[src] == "" {
				t.Errorf("app.yaml has the screen %s, which is not checked", src)
			}
		}
	}
	if screens < 7 {
		t.Errorf("app.yaml has %d screens, want all of both panels, and the tile", screens)
	}
}
