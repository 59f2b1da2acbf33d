package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"azure-partner-connector/connector/config"
)

func TestLogo_IsASmallImageOfAKnownType(t *testing.T) {
	folder := t.TempDir()
	write := func(name string, size int) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Mkdir(filepath.Join(folder, "folder.png"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"": "", write("logo.SVG", 10): "image/svg+xml", write("logo.png", 100<<10): "image/png", write("logo.jpeg", 1): "image/jpeg", write("logo.webp", 1): "image/webp",
	} {
		image, mediaType, err := config.Onboarding{LogoFile: path}.Logo()
		if err != nil || mediaType != want || (len(image) > 0) != (path != "") {
			t.Errorf("Logo() of %q = %d bytes, %q, %v, want %q", path, len(image), mediaType, err, want)
		}
	}
	for _, path := range []string{write("empty.png", 0), write("large.png", 100<<10+1), write("logo.html", 1), filepath.Join(folder, "folder.png"), filepath.Join(folder, "none.png")} {
		if image, _, err := (config.Onboarding{LogoFile: path}).Logo(); err == nil {
			t.Errorf("Logo() of %q = %d bytes, want an error", path, len(image))
		}
	}
}
