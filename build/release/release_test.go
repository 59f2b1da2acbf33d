package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/app"
)

const root = "../.."

// TestNotices_AreUpToDate fails after a dependency changed: `make notices` writes the file again.
func TestNotices_AreUpToDate(t *testing.T) {
	want, err := notices(root)
	if err != nil {
		t.Fatalf("notices() = %v", err)
	}
	got, err := os.ReadFile(filepath.Join(root, noticesFile))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the dependencies of the program require, %v: run make notices", noticesFile, err)
	}
	for _, part := range []string{"github.com/go-sql-driver/mysql ", "modernc.org/sqlite ", "gorm.io/gorm ", "stdlib", "(MPL-2.0)", "Copyright 2009 The Go Authors"} {
		if !bytes.Contains(want, []byte(part)) {
			t.Errorf("the notices lack %q", part)
		}
	}
	for _, part := range []string{"chromedp", "rapid"} { // used by tests only
		if bytes.Contains(want, []byte("\n"+part)) {
			t.Errorf("the notices have %q, which is not in the program", part)
		}
	}
}

func TestModule_UnknownLicenseIsRefused(t *testing.T) {
	folder := t.TempDir()
	m := module{Path: "example.com/m", Dir: folder}
	if _, err := m.license(); err == nil {
		t.Error("license() without a file = nil, want an error")
	}
	if err := os.WriteFile(filepath.Join(folder, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	if id, err := m.license(); err == nil {
		t.Errorf("license() of an unknown text = %s, want an error", id)
	}
}

// buildFlags are the flags that decide what is in the program; Makefile and Dockerfile use the same ones.
var buildFlags = []string{"-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=v1.2.3"}

// build builds the program in the sources at root and returns the path of the program.
func build(t *testing.T, root string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "connector")
	compile := exec.Command("go", append(append([]string{"build"}, buildFlags...), "-o", program, "./connector")...)
	compile.Dir = root
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("go build in %s = %v\n%s", root, err, out)
	}
	return program
}

func hashOf(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// TestBuild_IsReproducible builds the program twice, here and in a folder that has what the builder of the image gets, and reads its
// bill of materials.
func TestBuild_IsReproducible(t *testing.T) {
	one, other := build(t, root), build(t, imageContext(t))
	if a, b := hashOf(t, one), hashOf(t, other); a != b {
		t.Errorf("two builds of the same sources have the hashes %s and %s", a, b)
	}
	first, err := sbom(root, one, "v1.2.3")
	if err != nil {
		t.Fatalf("sbom() = %v", err)
	}
	if second, err := sbom(root, other, "v1.2.3"); err != nil || !bytes.Equal(first, second) {
		t.Errorf("sbom() of two equal programs differs, %v", err)
	}
	var b bill
	if err := json.Unmarshal(first, &b); err != nil {
		t.Fatalf("sbom() = no JSON: %v", err)
	}
	if b.Format != "CycloneDX" || b.Version != "1.6" || !strings.HasPrefix(b.Serial, "urn:uuid:") || len(b.Serial) != len("urn:uuid:")+36 {
		t.Errorf("sbom() = %s %s, %s", b.Format, b.Version, b.Serial)
	}
	if main := b.Metadata.Component; main.Version != "v1.2.3" || len(main.Hashes) != 1 || main.Hashes[0].Content != hashOf(t, one) {
		t.Errorf("sbom() is about %+v, want the program", main)
	}
	refs := map[string]bool{}
	for _, c := range b.Components {
		if refs[c.Ref] || c.Version == "" || len(c.Licenses) != 1 || !strings.HasPrefix(c.PURL, "pkg:golang/"+c.Name+"@") {
			t.Errorf("component %+v is there twice or lacks something", c)
		}
		refs[c.Ref] = true
	}
	if !refs["pkg:golang/"+standardLibrary+"@"+strings.TrimPrefix(runtime.Version(), "go")] || len(refs) < 30 {
		t.Errorf("sbom() has %d components, want all and the standard library: %v", len(refs), refs)
	}
	for _, ref := range b.Dependencies[0].DependsOn {
		if !refs[ref] {
			t.Errorf("the program depends on %s, which is no component", ref)
		}
	}
}

func TestPackage_IsReproducible(t *testing.T) {
	var packages [2][]byte
	for i := range packages {
		p, err := app.Package("")
		if err != nil {
			t.Fatal(err)
		}
		if packages[i], err = p.Build(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(packages[0], packages[1]) {
		t.Error("two packages of the same sources differ")
	}
}

func TestSums_AreReadBySha256sum(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := run([]string{"sums", filepath.Join(folder, "one"), filepath.Join(folder, "two")}, &out); err != nil {
		t.Fatalf("run(sums) = %v", err)
	}
	check := exec.Command("sha256sum", "--check", "--strict")
	check.Dir, check.Stdin = folder, &out
	if text, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum --check = %v\n%s", err, text)
	}
	for _, args := range [][]string{nil, {"unknown"}, {"sbom"}, {"sums", filepath.Join(folder, "missing")}} {
		if err := run(args, &out); err == nil {
			t.Errorf("run(%q) = nil, want an error", args)
		}
	}
}

// TestRecipes_AgreeAboutTheBuild reads Makefile and Dockerfile: what is released is what TestBuild_IsReproducible builds, by the
// compiler that go.mod asks for at least.
func TestRecipes_AgreeAboutTheBuild(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	makefile, dockerfile := read("Makefile"), read("Dockerfile")
	for name, text := range map[string]string{"Makefile": makefile, "Dockerfile": dockerfile} {
		for _, flag := range slices.Concat(buildFlags[:3], []string{"-s -w -X main.version=", "CGO_ENABLED=0"}) {
			if !strings.Contains(text, flag) {
				t.Errorf("%s builds without %s", name, flag)
			}
		}
	}
	version := regexp.MustCompile(`(?m)^ARG GO_VERSION=(\d+\.\d+\.\d+)$`).FindStringSubmatch(dockerfile)
	if version == nil || !strings.Contains(dockerfile, "FROM golang:${GO_VERSION}${GO_DIGEST} AS build") {
		t.Fatal("the Dockerfile does not name an exact image to build with, whose digest can be given")
	}
	asked := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read("go.mod"))
	if len(asked) != 2 || !strings.HasPrefix(version[1], asked[1]+".") {
		t.Errorf("the Dockerfile builds with Go %s, and go.mod asks for %s", version[1], fmt.Sprint(asked))
	}
	for _, line := range []string{"COPY LICENSE " + noticesFile + " /"} {
		if !strings.Contains(dockerfile, line) {
			t.Errorf("the Dockerfile lacks %q", line)
		}
	}
	if ignore := read(".dockerignore"); !strings.Contains(ignore, "!"+noticesFile+"\n") || !strings.Contains(ignore, "!LICENSE\n") {
		t.Error("the notices do not reach the builder of the image")
	}
	if steps := read("docs/release.md"); !strings.Contains(steps, "GO_DIGEST=@sha256:") || !strings.Contains(steps, "make release") {
		t.Error("the release steps do not say how the image is pinned and how the files are made")
	}
}
