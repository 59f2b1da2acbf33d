package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// The parts of CycloneDX 1.6 that are used.
type (
	bill struct {
		Format       string       `json:"bomFormat"`
		Version      string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Number       int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Licenses   []licensed `json:"licenses,omitempty"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	licensed struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn,omitempty"`
	}
)

// sbom returns the bill of materials of a version of the program that go build made, from what it says about itself.
func sbom(root, program, version string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("reading the build information of %s: %w", program, err)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	all, err := modules(root)
	if err != nil {
		return nil, err
	}
	licenses := map[string]string{}
	for _, m := range all {
		if licenses[m.Path], err = m.license(); err != nil {
			return nil, err
		}
	}
	sum := sha256.Sum256(content)
	main := component{
		Type: "application", Ref: "program", Name: filepath.Base(program), Version: version, PURL: purl(info.Main.Path, version),
		Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}}, Licenses: []licensed{licenseOf("Apache-2.0")},
	}
	b := bill{
		Format: "CycloneDX", Version: "1.6", Number: 1, Metadata: metadata{main},
		Serial: "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceOID, sum[:]).String(), // the same for the same program
	}
	b.Dependencies = []dependency{{Ref: "program"}}
	for _, m := range append(slices.Clone(info.Deps), &debug.Module{Path: standardLibrary, Version: strings.TrimPrefix(info.GoVersion, "go")}) {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component{Type: "library", Name: m.Path, Version: m.Version, PURL: purl(m.Path, m.Version)}
		c.Ref = c.PURL
		if licenses[m.Path] == "" {
			return nil, fmt.Errorf("%s is in the program and not in its sources: build it from this checkout", m.Path)
		}
		c.Licenses = []licensed{licenseOf(licenses[m.Path])}
		if encoded, ok := strings.CutPrefix(m.Sum, "h1:"); ok {
			if digest, err := base64.StdEncoding.DecodeString(encoded); err == nil {
				// Of the list of the module's files, not of one file, so it is no hash of the component.
				c.Properties = []property{{"go:module:h1", hex.EncodeToString(digest)}}
			}
		}
		b.Components = append(b.Components, c)
		b.Dependencies[0].DependsOn = append(b.Dependencies[0].DependsOn, c.Ref)
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(b); err != nil {
		return nil, fmt.Errorf("writing the bill of materials: %w", err)
	}
	return text.Bytes(), nil
}

func purl(path, version string) string { return "pkg:golang/" + path + "@" + version }

func licenseOf(id string) (l licensed) {
	l.License.ID = id
	return l
}

// sums prints the SHA-256 of files in the form that sha256sum -c reads.
func sums(out io.Writer, files []string) error {
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		if _, err := fmt.Fprintf(out, "%x  %s\n", sum, filepath.Base(file)); err != nil {
			return err
		}
	}
	return nil
}
