package npm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"azure-partner-connector/sandbox/npm"
)

// lockFile returns a lock file with one package of a registry.
func lockFile(registry string) fstest.MapFS {
	return fstest.MapFS{
		"package.json": {Data: []byte(`{"name": "x", "dependencies": {"small": "1.0.0"}}`)},
		"package-lock.json": {Data: fmt.Appendf(nil, `{"name": "x", "lockfileVersion": 3, "packages": {
			"": {"name": "x", "dependencies": {"small": "1.0.0"}},
			"node_modules/small": {"version": "1.0.0", "resolved": %q, "integrity": "sha512-AAAA"}}}`, registry+"/small-1.0.0.tgz")},
	}
}

// failing runs a function that must fail its test, and returns the failure's text.
func failing(t *testing.T, run func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(r)
	}()
	<-done
	if r.said == "" {
		t.Error("Install() succeeded, want that it fails the test")
	}
	return r.said
}

type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestInstall_SaysThatNPMIsMissing(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	got := failing(t, func(t testing.TB) { npm.Install(t, "small", lockFile("http://127.0.0.1:1")) })
	for _, want := range []string{"npm is missing", "build/prerequisites.sh node npm", "Without it, every test works except"} {
		if !strings.Contains(got, want) {
			t.Errorf("Install() without npm = %q, want it to say %q", got, want)
		}
	}
}

// TestInstall_Interop_SaysThatTheRegistryIsMissing has Interop in its name so that make test-quick, which needs no npm, skips
// it.
func TestInstall_Interop_SaysThatTheRegistryIsMissing(t *testing.T) {
	registry := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(registry.Close)
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("npm_config_cache", t.TempDir())
	t.Setenv("npm_config_registry", registry.URL)
	got := failing(t, func(t testing.TB) { npm.Install(t, "small", lockFile(registry.URL)) })
	for _, want := range []string{"its registry must be reachable the first time", "404", "Without it, every test works except"} {
		if !strings.Contains(got, want) {
			t.Errorf("Install() without a registry = %q, want it to say %q", got, want)
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, "azure-partner-connector", "npm", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("the cache holds %q, %v after a failure, want nothing", left, err)
	}
}

func TestInstall_UsesTheCache(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PATH", t.TempDir()) // npm is not needed
	files := lockFile("http://127.0.0.1:1")
	sum := sha256.Sum256(files["package-lock.json"].Data)
	kept := filepath.Join(cache, "azure-partner-connector", "npm", "small-"+hex.EncodeToString(sum[:8]))
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := npm.Install(t, "small", files); got != kept {
		t.Errorf("Install() = %s, want the cached %s", got, kept)
	}
}
