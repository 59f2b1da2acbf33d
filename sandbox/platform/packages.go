package platform

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"mime"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing/fstest"

	lru "github.com/hashicorp/golang-lru/v2"

	"azure-partner-connector/connector/platform/pack"
	"azure-partner-connector/connector/platform/rql"
	"azure-partner-connector/connector/random"
)

// installed is one imported version of a package.
type installed struct {
	id          string // UUID, for /aps/2/packages/{id}
	application int    // number that all versions of the package share in the operations API
	packageID   string
	name        string
	version     string
	release     string
	match       string // condition on the versions that it upgrades
	services    map[string]*typeDefinition
	root        string // id of the root service
	files       map[string][]byte
	archive     []byte
	navigation  []Node
}

func (i *installed) href() string { return "/aps/2/packages/" + i.id }

func (i *installed) label() string { return i.version + "-" + i.release }

// metadata is the part of APP-META.xml that the platform reads.
type metadata struct {
	XMLName xml.Name `xml:"http://aps-standard.org/ns/2 application"`
	ID      string   `xml:"id"`
	Name    string   `xml:"name"`
	Version string   `xml:"version"`
	Release string   `xml:"release"`
	Upgrade struct {
		Match string `xml:"match,attr"`
	} `xml:"upgrade"`
	Services []struct {
		ID     string `xml:"id,attr"`
		Schema struct {
			Path string `xml:"path,attr"`
		} `xml:"schema"`
	} `xml:"service"`
	Navigation []xmlNode `xml:"presentation>navigation"`
}

// An Imported is the result of an import.
type Imported struct {
	PackageID   string // URI
	Application int    // number in the operations API
	Version     string
	Release     string
}

// Import imports a package as a platform does: it checks the archive, reads the types, refuses types that are based on
// unknown types, and stores everything. It changes no instance.
func (p *Platform) Import(ctx context.Context, archive []byte) (Imported, error) {
	if refused := refusals(archive); len(refused) > 0 {
		return Imported{}, badRequest("the package is not sound: %s", refused[0])
	}
	files, err := pack.Files(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		return Imported{}, badRequest("%v", err)
	}
	var meta metadata
	if err := xml.Unmarshal(files["APP-META.xml"], &meta); err != nil {
		return Imported{}, badRequest("APP-META.xml cannot be read: %v", err)
	}
	i := &installed{
		id: random.ID(), packageID: meta.ID, name: meta.Name, version: meta.Version, release: meta.Release,
		match: meta.Upgrade.Match, services: make(map[string]*typeDefinition), files: files, archive: archive,
	}
	for _, s := range meta.Services {
		if i.services[s.ID], err = parseType(pack.SchemaJSON(s.Schema.Path, files[s.Schema.Path])); err != nil {
			return Imported{}, fmt.Errorf("service %s: %w", s.ID, err)
		}
		if slices.Contains(i.services[s.ID].Implements, applicationType) {
			i.root = s.ID
		}
	}

	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.keep(i); err != nil {
		return Imported{}, err
	}
	i.navigation = nodes("navigation", meta.Navigation, i) // now that the package's address is known
	p.cfg.Log.InfoContext(ctx, "package imported", "package", i.packageID, "version", i.label())
	return Imported{PackageID: i.packageID, Application: i.application, Version: i.version, Release: i.release}, nil
}

// checked holds the refusals of the latest packages by the hash of their content: many platforms of one process import the same
// package, and a check takes longer than all else that an import does.
var checked, _ = lru.New[[sha256.Size]byte, []pack.Finding](16) // fails only without a positive size

func refusals(archive []byte) []pack.Finding {
	hash := sha256.Sum256(archive)
	refused, ok := checked.Get(hash)
	if !ok {
		refused = pack.Refusals(pack.Check(bytes.NewReader(archive), int64(len(archive))))
		checked.Add(hash, refused)
	}
	return refused
}

// keep stores a package and its types.
func (p *Platform) keep(i *installed) error {
	known := maps.Clone(p.types)
	var own []*typeDefinition
	for _, service := range slices.Sorted(maps.Keys(i.services)) {
		t := i.services[service]
		if old := known[t.ID]; old != nil && !bytes.Equal(old.source, t.source) && !p.development {
			return conflict("the type %s is known with another content; a change needs a new version of the type", t.ID)
		}
		t.number = len(known) + 1
		if old := known[t.ID]; old != nil {
			t.number = old.number
		}
		known[t.ID] = t
		own = append(own, t)
	}
	if err := checkKnown(known, own); err != nil {
		return err
	}
	for n, other := range p.packages {
		if other.packageID != i.packageID {
			continue
		}
		i.application = other.application
		if other.label() == i.label() {
			if !p.development {
				return conflict("the package %s %s is already imported", i.packageID, i.label())
			}
			i.id = other.id
			p.packages[n] = i
			for _, in := range p.instances {
				if in.installed == other {
					in.installed = i
				}
			}
			p.types = known
			return nil
		}
	}
	if i.application == 0 {
		i.application = p.number()
	}
	p.types = known
	p.packages = append(p.packages, i)
	return nil
}

// newest returns the newest version of a package, or the given version and release, or nil.
func (p *Platform) newest(packageID, version, release string) *installed {
	var best *installed
	for _, i := range p.packages {
		if i.packageID != packageID || version != "" && i.version != version || release != "" && i.release != release {
			continue
		}
		if best == nil || newer(i, best) {
			best = i
		}
	}
	return best
}

// newer reports whether a is newer than b. Versions may have several parts, as in 26.0.
func newer(a, b *installed) bool {
	return cmp.Or(compareNumbers(a.version, b.version), compareNumbers(a.release, b.release)) > 0
}

func compareNumbers(a, b string) int {
	numbers := func(text string) (parts []int) {
		for part := range strings.SplitSeq(text, ".") {
			n, _ := strconv.Atoi(part) // the check of the archive ensures that it is a number
			parts = append(parts, n)
		}
		return parts
	}
	return slices.Compare(numbers(a), numbers(b))
}

// upgrades reports whether to can replace from (docs/reference/aps-protocol.md §6.7).
func upgrades(from, to *installed) (bool, error) {
	if from.packageID != to.packageID || !newer(to, from) || to.match == "" {
		return false, nil
	}
	terms, err := rql.Parse(to.match)
	if err != nil {
		return false, fmt.Errorf("the condition of the upgrade: %w", err)
	}
	have := map[string]any{"version": from.version, "release": from.release}
	return rql.Match(terms, func(name string) any { return have[name] }, rql.NoTypes())
}

// servePackage serves the description of a package, the archive, or one of its files.
func (p *Platform) servePackage(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	var found *installed
	for _, i := range p.packages {
		if i.id == r.PathValue("id") {
			found = i
		}
	}
	p.mu.Unlock()
	if found == nil {
		p.writeError(w, r, notFound("package", r.PathValue("id")))
		return
	}
	file := r.PathValue("file")
	switch {
	case file == "" && r.Header.Get("Accept") == "application/aps":
		w.Header().Set("Content-Type", "application/aps")
		_, _ = w.Write(found.archive)
	case file == "":
		writeJSON(w, http.StatusOK, found.describe())
	default:
		content, ok := found.files[path.Clean(file)]
		if !ok || strings.HasPrefix(file, "schemas/") {
			p.writeError(w, r, notFound("file", file))
			return
		}
		kind := mime.TypeByExtension(path.Ext(file))
		if path.Ext(file) == ".js" {
			kind = "text/javascript; charset=utf-8"
		}
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content)
	}
}

// Files returns the files of an imported package by its UUID, the last part of PackageHref.
func (p *Platform) Files(id string) (files fs.FS, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range p.packages {
		if i.id != id {
			continue
		}
		tree := make(fstest.MapFS) // unlike a zip.Reader's, its files can be served by net/http
		for name, content := range i.files {
			tree[name] = &fstest.MapFile{Data: content}
		}
		return tree, true
	}
	return nil, false
}

// describe returns a package as JSON.
func (i *installed) describe() map[string]any {
	services := make(map[string]any)
	for id, t := range i.services {
		services[id] = map[string]any{"schema": schemaHref(t), "type": t.ID}
	}
	return map[string]any{
		"aps":  map[string]any{"id": i.id, "href": i.href()},
		"type": i.packageID, "name": i.name, "version": i.version, "release": i.release, "services": services,
	}
}

// fetch downloads a package for an import by URL.
func (p *Platform) fetch(ctx context.Context, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, badRequest("the address of the package: %v", err)
	}
	resp, err := p.cfg.HTTP.Do(req)
	if err != nil {
		return nil, badRequest("the package cannot be fetched: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, badRequest("the package cannot be fetched: %s", resp.Status)
	}
	archive, err := readBody(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("fetching the package: %w", err)
	}
	if len(archive) == 0 {
		return nil, errors.New("fetching the package: it is empty")
	}
	return archive, nil
}
