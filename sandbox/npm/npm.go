// Package npm installs, for tests, programs from the npm registry that nobody of us wrote.
package npm

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Install installs exactly what files, a package.json and its package-lock.json, name, and returns the folder in which
// node_modules is. No script of a package is run. It is done once for each lock file: what was installed stays in .cache
// at the top of the repository. A machine without npm fails the test.
func Install(t testing.TB, name string, files fs.FS) (folder string) {
	t.Helper()
	lock := read(t, files, "package-lock.json")
	cache := filepath.Join(repository(t), ".cache", "npm")
	sum := sha256.Sum256(lock)
	folder = filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:8]))
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	fresh, err := os.MkdirTemp(cache, "new-") //nolint:usetesting // it stays, under another name
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(fresh)
	for file, content := range map[string][]byte{"package-lock.json": lock, "package.json": read(t, files, "package.json")} {
		if err := os.WriteFile(filepath.Join(fresh, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	command.Dir = fresh
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("npm does not install %s: %v. `build/prerequisites.sh node npm` installs npm, which must reach its registry the first time. "+
			"It said:\n%s", name, err, said)
	}
	if err := os.Rename(fresh, folder); err != nil {
		// Another test may have been faster with the same.
		if _, missing := os.Stat(folder); missing != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func read(t testing.TB, files fs.FS, name string) []byte {
	t.Helper()
	content, err := fs.ReadFile(files, name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// repository is the folder of the module that the test belongs to.
func repository(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		} else if !errors.Is(err, fs.ErrNotExist) || folder == filepath.Dir(folder) {
			t.Fatalf("looking for go.mod above the test: %v", err)
		}
		folder = filepath.Dir(folder)
	}
}
