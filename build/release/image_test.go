package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sent reports whether .dockerignore lets a file reach the builder of the image: the last pattern that matches the file, or a folder
// that it is in, decides.
func sent(t *testing.T, patterns []string, file string) bool {
	t.Helper()
	admitted := true
	for _, pattern := range patterns {
		admit := strings.HasPrefix(pattern, "!")
		pattern = strings.TrimPrefix(pattern, "!")
		anywhere := strings.HasPrefix(pattern, "**/")
		pattern = strings.TrimPrefix(pattern, "**/")
		if strings.Contains(pattern, "/") {
			t.Fatalf("the pattern %q is not understood here", pattern)
		}
		for i, name := range strings.Split(file, "/") {
			matches, err := path.Match(pattern, name)
			if err != nil {
				t.Fatal(err)
			}
			if matches && (i == 0 || anywhere) {
				admitted = admit
			}
		}
	}
	return admitted
}

// ignorePatterns returns the patterns of .dockerignore.
func ignorePatterns(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool { return line == "" || line[0] == '#' })
}

// imageContext copies what reaches the builder of the image into another folder.
func imageContext(t *testing.T) string {
	t.Helper()
	folder, patterns := t.TempDir(), ignorePatterns(t)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == ".git" || name == "dist" || name == "bin"):
			return fs.SkipDir
		case entry.IsDir() || !sent(t, patterns, name):
			return nil
		}
		content, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			return err
		}
		to := filepath.Join(folder, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return err
		}
		return os.WriteFile(to, content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestImage_CopiesWhatExists reads each COPY of the Dockerfile, because where the tests run nothing builds the image: what it copies
// from here exists and reaches the builder, and what it copies from the builder was made there or belongs to the image of Go.
func TestImage_CopiesWhatExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	dockerfile, patterns := string(text), ignorePatterns(t)
	copies := regexp.MustCompile(`(?m)^COPY (.+)$`).FindAllStringSubmatch(dockerfile, -1)
	if len(copies) < 6 {
		t.Fatalf("only %d files and folders are copied", len(copies))
	}
	for _, m := range copies {
		words := strings.Fields(m[1])
		fromBuilder := slices.Contains(words, "--from=build")
		words = slices.DeleteFunc(words, func(word string) bool { return strings.HasPrefix(word, "--") })
		for _, source := range words[:len(words)-1] {
			switch {
			case fromBuilder:
				checkBuilt(t, dockerfile, source)
			case source == ".":
			default:
				if _, err := os.Stat(filepath.Join(root, source)); err != nil || !sent(t, patterns, source) {
					t.Errorf("the Dockerfile copies %s, which does not exist (%v) or does not reach the builder", source, err)
				}
			}
		}
	}
	for _, name := range []string{".git/config", "sandbox/main.go", "docs/release.md", "connector/main_test.go", "connector/config/testdata/x", "dist/x"} {
		if sent(t, patterns, name) {
			t.Errorf("%s reaches the builder, which does not need it", name)
		}
	}
}

// TestImage_ListensWhereAProxyReachesIt: in a container, the proxy in front is on another network, and the private listener, which
// has no access control, stays on the loopback.
func TestImage_ListensWhereAProxyReachesIt(t *testing.T) {
	dockerfile, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"ENV CONNECTOR_HOOKS__LISTEN=:8080 CONNECTOR_ONBOARDING__LISTEN=:8081", "USER 65532:65532", "FROM scratch"} {
		if !strings.Contains(string(dockerfile), "\n"+line+"\n") {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
	if strings.Contains(string(dockerfile), "CONNECTOR_PRIVATE__LISTEN=") {
		t.Error("the image opens the private listener")
	}
}

// checkBuilt checks that what the last stage copies from the builder is there.
func checkBuilt(t *testing.T, dockerfile, source string) {
	t.Helper()
	switch {
	case source == "/etc/ssl/certs/ca-certificates.crt": // of Debian, which the image of Go is made of
	case strings.HasPrefix(source, "/usr/local/go/"):
		goroot, err := exec.Command("go", "env", "GOROOT").Output()
		if err == nil {
			_, err = os.Stat(filepath.Join(strings.TrimSpace(string(goroot)), strings.TrimPrefix(source, "/usr/local/go/")))
		}
		if err != nil {
			t.Errorf("the Dockerfile copies %s, which the compiler does not have: %v", source, err)
		}
	default:
		made := regexp.MustCompile(`(?m)^RUN .*(mkdir -p|-o) .*` + regexp.QuoteMeta(strings.TrimSuffix(source, "/")))
		if !made.MatchString(dockerfile) {
			t.Errorf("the Dockerfile copies %s, which no step makes", source)
		}
	}
}

var untried = regexp.MustCompile(`[Tt]he tests (don't build|neither build) (the image|it)\b`)

// TestImage_DocumentsSayThatItIsUntried: no container engine is where the tests run, so whoever builds the image tries it.
func TestImage_DocumentsSayThatItIsUntried(t *testing.T) {
	for _, name := range []string{"docs/release.md", "docs/guides/install.md", "docs/guides/kubernetes.md", "docs/guides/proxy.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !untried.MatchString(strings.Join(strings.Fields(string(text)), " ")) {
			t.Errorf("%s does not say that the tests don't build the image", name)
		}
	}
}
