package pack

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A Package is a manifest together with its files. It is immutable after Load and safe for concurrent use.
type Package struct {
	manifest Manifest
	sourceID string            // the package id in its sources
	files    map[string][]byte // path in the package → content; without APP-META.xml and APP-LIST.xml
}

// Load reads a package's sources: the manifest, the types (every *.schema of schemas, at its root) and the screens
// (the folders ui, i18n and images of ui). It checks the manifest against the types.
func Load(manifest []byte, schemas, ui fs.FS) (*Package, error) {
	m, err := ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	p := &Package{manifest: m, sourceID: m.Package.ID, files: make(map[string][]byte)}
	if err := p.addSchemas(schemas); err != nil {
		return nil, err
	}
	for _, folder := range []string{"ui", "i18n", "images"} {
		if err := p.addFolder(ui, folder); err != nil {
			return nil, err
		}
	}
	if err := p.checkPrivileges(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Package) addSchemas(schemas fs.FS) error {
	names, err := fs.Glob(schemas, "*.schema")
	if err != nil {
		return fmt.Errorf("listing schemas: %w", err)
	}
	for _, name := range names {
		content, err := fs.ReadFile(schemas, name)
		if err != nil {
			return fmt.Errorf("reading a schema: %w", err)
		}
		p.files[path.Join("schemas", name)] = content
	}
	return nil
}

func (p *Package) addFolder(ui fs.FS, folder string) error {
	err := fs.WalkDir(ui, folder, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return nil
		}
		content, err := fs.ReadFile(ui, name)
		p.files[name] = content
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the screens: %w", err)
	}
	return nil
}

// checkPrivileges checks that every operation of a privilege exists and is open to the resource's owner. Otherwise the
// platform would show the screen and refuse its calls.
func (p *Package) checkPrivileges() error {
	for _, privilege := range p.manifest.Privileges {
		if len(privilege.Operations) == 0 {
			continue
		}
		i := slices.IndexFunc(p.manifest.Services, func(s Service) bool { return s.ID == privilege.Service })
		if i < 0 {
			return fmt.Errorf("privilege %s: there is no service %q", privilege.Name, privilege.Service)
		}
		var t typeDefinition
		if err := json.Unmarshal(p.files[p.manifest.Services[i].Schema], &t); err != nil {
			return fmt.Errorf("privilege %s: reading the type of %s: %w", privilege.Name, privilege.Service, err)
		}
		for _, name := range privilege.Operations {
			operation, ok := t.Operations[name]
			if !ok {
				return fmt.Errorf("privilege %s: %s has no operation %q", privilege.Name, privilege.Service, name)
			}
			if owner, ok := operation.Access["owner"]; ok && !owner {
				return fmt.Errorf("privilege %s: operation %q of %s is closed to the owner", privilege.Name, name, privilege.Service)
			}
		}
	}
	return nil
}

// ID returns the package's id.
func (p *Package) ID() string { return p.manifest.Package.ID }

// Version returns the package's version and release.
func (p *Package) Version() (version, release int) {
	return p.manifest.Package.Version, p.manifest.Package.Release
}

// FileName returns the name of the package's file: <name>-<version>-<release>.app.zip.
func (p *Package) FileName() string {
	i := p.manifest.Package
	return fmt.Sprintf("%s-%d-%d.app.zip", i.Name, i.Version, i.Release)
}

// Schema returns the type of a service in the package, and whether the service exists.
func (p *Package) Schema(service string) ([]byte, bool) {
	for _, s := range p.manifest.Services {
		if s.ID == service {
			content, ok := p.files[s.Schema]
			return slices.Clone(content), ok
		}
	}
	return nil, false
}

// With returns the same package with another file at its root.
func (p *Package) With(name string, content []byte) *Package {
	more := &Package{manifest: p.manifest, sourceID: p.sourceID, files: maps.Clone(p.files)}
	more.files[name] = slices.Clone(content)
	return more
}

// WithID returns the same package under another id, which replaces the old one in the metadata, the types and the
// screens.
func (p *Package) WithID(id string) (*Package, error) {
	if err := ValidID(id); err != nil {
		return nil, fmt.Errorf("package id %q: %w", id, err)
	}
	old := p.manifest.Package.ID
	renamed := &Package{manifest: p.manifest, sourceID: p.sourceID, files: maps.Clone(p.files)}
	renamed.manifest.Package.ID = id
	renamed.manifest.Navigation = renameTypes(p.manifest.Navigation, old, id)
	for name, content := range renamed.files {
		switch path.Ext(name) {
		case ".schema", ".js", ".html", ".json", ".css":
			renamed.files[name] = []byte(replaceID(string(content), old, id))
		}
	}
	return renamed, nil
}

// Renamed returns a text from the sources of the package, for example of an earlier version of it, with the package's id.
func (p *Package) Renamed(text []byte) []byte {
	return []byte(replaceID(string(text), p.sourceID, p.manifest.Package.ID))
}

// renameTypes returns nodes whose variables name types of the new id, including ids that the manifest writes in full.
func renameTypes(nodes []Node, old, id string) []Node {
	renamed := slices.Clone(nodes)
	for i, n := range renamed {
		n.Vars = slices.Clone(n.Vars)
		for j := range n.Vars {
			n.Vars[j].Type = replaceID(n.Vars[j].Type, old, id)
		}
		n.Items, n.Views, n.Tiles = renameTypes(n.Items, old, id), renameTypes(n.Views, old, id), renameTypes(n.Tiles, old, id)
		renamed[i] = n
	}
	return renamed
}

// replaceID replaces old by id, except where old is the beginning of a longer id.
func replaceID(text, old, id string) string {
	var out strings.Builder
	for {
		before, after, found := strings.Cut(text, old)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if after != "" && strings.ContainsRune("-_.~%", rune(after[0])) || after != "" && isAlphanumeric(after[0]) {
			out.WriteString(old)
		} else {
			out.WriteString(id)
		}
		text = after
	}
}

func isAlphanumeric(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// A FaultyError is what Build returns for sources of a package that platforms would refuse.
type FaultyError struct {
	Findings []Finding
}

// Error implements error: all findings, one per line.
func (e *FaultyError) Error() string {
	var b strings.Builder
	b.WriteString("the package is invalid:")
	for _, f := range e.Findings {
		b.WriteString("\n  " + f.String())
	}
	return b.String()
}

// Build returns the package, which no platform refuses according to Check; otherwise the error is a *FaultyError. The same
// sources give the same bytes.
func (p *Package) Build() ([]byte, error) {
	var out bytes.Buffer
	if err := p.write(&out); err != nil {
		return nil, err
	}
	if findings := Refusals(Check(bytes.NewReader(out.Bytes()), int64(out.Len()))); len(findings) > 0 {
		return nil, &FaultyError{Findings: findings}
	}
	return out.Bytes(), nil
}

// Write writes the package that Build returns.
func (p *Package) Write(w io.Writer) error {
	content, err := p.Build()
	if err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return fmt.Errorf("writing the package: %w", err)
	}
	return nil
}

func (p *Package) write(w io.Writer) error {
	packaged, err := p.manifest.packaged()
	if err != nil {
		return err
	}
	// Here and not in Load: every start of the connector loads the package for its types, and must not parse all scripts.
	files := maps.Clone(p.files)
	trimComments(files)
	if err := trimEnglish(files); err != nil {
		return err
	}
	if files[metaName], err = p.manifest.metadata(); err != nil {
		return err
	}
	if files[listName], err = list(slices.Sorted(maps.Keys(files)), files); err != nil {
		return err
	}

	archive := zip.NewWriter(w)
	archive.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(out, flate.BestCompression)
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entry, err := archive.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: packaged})
		if err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
		if _, err := entry.Write(files[name]); err != nil {
			return fmt.Errorf("packing %s: %w", name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("finishing the package: %w", err)
	}
	return nil
}
