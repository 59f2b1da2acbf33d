// Package pack builds the application package (*.app.zip) from the manifest, the types and the screens, and checks
// packages (docs/reference/aps-protocol.md §6).
package pack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Manifest is app.yaml.
type Manifest struct {
	Package      Identity     `yaml:"package"`
	Vendor       Vendor       `yaml:"vendor"`
	License      License      `yaml:"license"`
	Presentation Presentation `yaml:"presentation"`
	Services     []Service    `yaml:"services"`
	Privileges   []Privilege  `yaml:"privileges"`
	Navigation   []Node       `yaml:"navigation"`
}

// Identity identifies the package.
type Identity struct {
	ID       string `yaml:"id"`
	Name     string `yaml:"name"`
	Version  int    `yaml:"version"`
	Release  int    `yaml:"release"`
	Packaged string `yaml:"packaged"` // see packagedLayout
	Homepage string `yaml:"homepage"`
	// Upgrade is RQL over the installed version. A platform offers the upgrade to the versions that it matches.
	Upgrade string `yaml:"upgrade"`
}

// packagedLayout is the form of the attribute "packaged"; real packages have no zone (docs/reference/aps-protocol.md
// §6.2).
const packagedLayout = "2006-01-02T15:04:05"

// Vendor is the vendor of the application.
type Vendor struct {
	Name     string `yaml:"name"`
	Homepage string `yaml:"homepage"`
}

// License is the agreement that the operator accepts.
type License struct {
	Name       string `yaml:"name"`
	URL        string `yaml:"url"`
	MustAccept bool   `yaml:"mustAccept"`
}

// Presentation describes the package to operators.
type Presentation struct {
	Summary     string   `yaml:"summary"`
	Description string   `yaml:"description"`
	Icon        string   `yaml:"icon"`
	Categories  []string `yaml:"categories"`
	Changelog   []Change `yaml:"changelog"`
}

// Change describes one release.
type Change struct {
	Version int      `yaml:"version"`
	Release int      `yaml:"release"`
	Entries []string `yaml:"entries"`
}

// Service is one type that the connector serves.
type Service struct {
	ID      string `yaml:"id"`
	Schema  string `yaml:"schema"` // path in the package
	Name    string `yaml:"name"`
	Summary string `yaml:"summary"`
}

// Privilege is a permission in the panel. Operations are those of Service that the screens under it call.
type Privilege struct {
	Name       string   `yaml:"name"`
	Area       string   `yaml:"area"`
	Title      string   `yaml:"title"`
	Service    string   `yaml:"service"`
	Operations []string `yaml:"operations"`
}

// Node is a navigation tree, an item, a view or a dashboard tile, depending on its position in the manifest
// (docs/reference/aps-ui.md §1.2).
type Node struct {
	ID        string    `yaml:"id" xml:"id,attr"`
	Label     string    `yaml:"label" xml:"label,attr,omitempty"`
	Icon      string    `yaml:"icon" xml:"icon,attr,omitempty"`
	Src       string    `yaml:"src" xml:"src,attr,omitempty"`
	Visible   string    `yaml:"visible" xml:"visible,attr,omitempty"`
	Privilege string    `yaml:"privilege" xml:"shown-by-privilege,attr,omitempty"`
	Vars      []Var     `yaml:"vars" xml:"var"`
	PlugsTo   PlugsTo   `yaml:"plugsTo" xml:"plugs-to"`
	Params    Params    `yaml:"params" xml:"params"`
	Controls  *Controls `yaml:"controls" xml:"controls"`
	Items     []Node    `yaml:"items" xml:"item"`
	Views     []Node    `yaml:"views" xml:"view"`
	Tiles     []Node    `yaml:"tiles" xml:"view-plugin"`
}

// Var is a resource or a collection that a screen gets in aps.context.vars.
type Var struct {
	Name string `yaml:"name" xml:"name,attr"`
	// Type is a type of this package without the package's id, for example "tenant/1.0", or a whole type id.
	Type       string `yaml:"type" xml:"type-id,attr"`
	Required   bool   `yaml:"required" xml:"required,attr"`
	Collection bool   `yaml:"collection" xml:"collection,attr"`
	Filter     string `yaml:"filter" xml:"filter,attr,omitempty"`
}

// Param is a value that another screen passes.
type Param struct {
	Name     string `yaml:"name" xml:"name,attr"`
	Type     string `yaml:"type" xml:"type,attr"`
	Required bool   `yaml:"required" xml:"required,attr"`
}

// Controls are the labels of the buttons below a view. A button without a label isn't shown.
type Controls struct {
	Submit *Control `yaml:"submit" xml:"submit"`
	Cancel *Control `yaml:"cancel" xml:"cancel"`
	Prev   *Control `yaml:"prev" xml:"prev"`
	Next   *Control `yaml:"next" xml:"next"`
}

// Control is one button below a view.
type Control struct {
	Label string `yaml:"label" xml:"label,attr"`
}

// ParseManifest reads app.yaml. An unknown or repeated key is an error.
func ParseManifest(text []byte) (Manifest, error) {
	var m Manifest
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest: %w", err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Manifest{}, errors.New("reading the manifest: more than one document")
	}
	if _, err := m.packaged(); err != nil {
		return Manifest{}, err
	}
	if err := ValidID(m.Package.ID); err != nil {
		return Manifest{}, fmt.Errorf("reading the manifest: package id %q: %w", m.Package.ID, err)
	}
	if len(m.Services) == 0 {
		return Manifest{}, errors.New("reading the manifest: no service")
	}
	return m, nil
}

// packaged returns the modification time of all files in the package.
func (m Manifest) packaged() (time.Time, error) {
	t, err := time.Parse(packagedLayout, m.Package.Packaged)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the manifest: packaged %q is not of the form %s", m.Package.Packaged, packagedLayout)
	}
	return t, nil
}

// typeID returns the whole id of a type in the manifest.
func (m Manifest) typeID(name string) string {
	if strings.Contains(name, "://") {
		return name
	}
	return m.Package.ID + "/" + name
}

// resolve returns a deep copy of nodes with whole type ids.
func (m Manifest) resolve(nodes []Node) []Node {
	resolved := make([]Node, len(nodes))
	for i, n := range nodes {
		vars := make([]Var, len(n.Vars))
		for j, v := range n.Vars {
			v.Type = m.typeID(v.Type)
			vars[j] = v
		}
		n.Vars = vars
		n.Items, n.Views, n.Tiles = m.resolve(n.Items), m.resolve(n.Views), m.resolve(n.Tiles)
		resolved[i] = n
	}
	return resolved
}
