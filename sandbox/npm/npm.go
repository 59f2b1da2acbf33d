// Package npm installs third-party programs from the npm registry for tests.
package npm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// limit is how long one installation may take. npm itself gives up earlier on a registry that does not answer.
const limit = 10 * time.Minute

// without says what works if nothing can be installed.
const without = "Without it, every test works except those that run programs from it: " +
	"sandbox/panel, sandbox/world, and the interoperability tests of connector/microsoft and connector/api"

// Install installs exactly what files, a package.json and its package-lock.json, name, and returns the folder that holds
// node_modules. It runs no scripts of packages. Installed packages stay in the user's cache folder, by the content of the
// lock file, so the registry is only needed the first time. Without npm the test fails.
func Install(t testing.TB, name string, files fs.FS) (folder string) {
	t.Helper()
	lock, err := fs.ReadFile(files, "package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := fs.ReadFile(files, "package.json")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lock)
	folder = filepath.Join(cache(), name+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	t.Logf("installing %s from the npm registry: once, less than a minute", name)
	if err := install(t.Context(), folder, lock, manifest); err != nil {
		t.Fatalf("%s is not installed: %v. %s.", name, err, without)
	}
	return folder
}

// cache returns the folder of all installations.
func cache() string {
	user, err := os.UserCacheDir()
	if err != nil { // neither HOME nor XDG_CACHE_HOME
		user = os.TempDir()
	}
	return filepath.Join(user, "azure-partner-connector", "npm")
}

// install installs into a new folder and renames it, so that a folder with its final name is complete.
func install(ctx context.Context, folder string, lock, manifest []byte) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return fmt.Errorf("npm is missing; `build/prerequisites.sh node npm` installs it: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o700); err != nil {
		return fmt.Errorf("creating the cache folder: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "new-")
	if err != nil {
		return fmt.Errorf("creating a folder: %w", err)
	}
	defer os.RemoveAll(fresh)
	for file, content := range map[string][]byte{"package-lock.json": lock, "package.json": manifest} {
		if err := os.WriteFile(filepath.Join(fresh, file), content, 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	command := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund",
		"--fetch-timeout=60000", "--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=10000")
	command.Dir = fresh
	command.WaitDelay = 10 * time.Second
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("npm failed (%w); its registry must be reachable the first time. Its output:\n%s", err, output)
	}
	if err := os.Rename(fresh, folder); err != nil {
		if _, missing := os.Stat(folder); missing != nil { // otherwise another process was faster
			return fmt.Errorf("keeping what was installed: %w", err)
		}
	}
	return nil
}
