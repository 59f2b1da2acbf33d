package pack

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
)

// Names of the two files of every package, and of the page that UX1 loads screens into.
const (
	metaName      = "APP-META.xml"
	listName      = "APP-LIST.xml"
	bootstrapName = "ui/bootstrapApp.html"
)

// The namespaces. The list uses that of APS 1 (docs/reference/aps-protocol.md §6.4).
const (
	metaSpace = "http://aps-standard.org/ns/2"
	listSpace = "http://apstandard.com/ns/1"
)

const xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"

// PlugsTo are the extension points of the panels that a node plugs into.
type PlugsTo []string

// MarshalXML implements xml.Marshaler: one empty element per extension point.
func (p PlugsTo) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	for _, id := range p {
		element := start.Copy()
		element.Attr = []xml.Attr{{Name: xml.Name{Local: "id"}, Value: id}}
		if err := e.EncodeElement("", element); err != nil {
			return err
		}
	}
	return nil
}

// Params are the values that a view accepts.
type Params []Param

// MarshalXML implements xml.Marshaler: one element around all params, and none without any.
func (p Params) MarshalXML(e *xml.Encoder, start xml.StartElement) error {
	if len(p) == 0 {
		return nil
	}
	return e.EncodeElement(struct {
		Params []Param `xml:"param"`
	}{p}, start)
}

// An application is APP-META.xml. The order of its fields is the order of the elements (docs/reference/aps-protocol.md
// §6.2).
type application struct {
	XMLName  xml.Name `xml:"http://aps-standard.org/ns/2 application"`
	Format   string   `xml:"version,attr"`
	Packaged string   `xml:"packaged,attr"`

	ID           string         `xml:"id"`
	Name         string         `xml:"name"`
	Version      string         `xml:"version"`
	Release      string         `xml:"release"`
	Homepage     string         `xml:"homepage,omitempty"`
	Vendor       organization   `xml:"vendor"`
	Packager     packager       `xml:"packager"`
	Presentation presentation   `xml:"presentation"`
	License      license        `xml:"license-agreement"`
	Upgrade      *upgrade       `xml:"upgrade"`
	Services     []service      `xml:"service"`
	Privileges   *xmlPrivileges `xml:"privileges"`
}

// An organization is the vendor or the packager.
type organization struct {
	Name     string `xml:"name"`
	Homepage string `xml:"homepage,omitempty"`
}

type packager struct {
	organization
	URI string `xml:"uri,omitempty"`
}

type presentation struct {
	Summary     string     `xml:"summary"`
	Description string     `xml:"description"`
	Icon        icon       `xml:"icon"`
	Changelog   *changelog `xml:"changelog"`
	Categories  []string   `xml:"categories>category"`
	Navigation  []Node     `xml:"navigation"`
}

type icon struct {
	Path string `xml:"path,attr"`
}

type changelog struct {
	Versions []change `xml:"version"`
}

type change struct {
	Version string   `xml:"version,attr"`
	Release string   `xml:"release,attr"`
	Entries []string `xml:"entry"`
}

type license struct {
	MustAccept bool        `xml:"must-accept,attr"`
	Free       struct{}    `xml:"free"`
	Text       licenseText `xml:"text"`
}

type licenseText struct {
	Name string `xml:"name"`
	URL  string `xml:"url"`
}

type upgrade struct {
	Match string `xml:"match,attr"`
}

type service struct {
	ID           string              `xml:"id,attr"`
	Schema       schemaRef           `xml:"schema"`
	Presentation servicePresentation `xml:"presentation"`
}

type schemaRef struct {
	Path string `xml:"path,attr"`
}

type servicePresentation struct {
	Name    string `xml:"name"`
	Summary string `xml:"summary,omitempty"`
}

type xmlPrivileges struct {
	Privileges []xmlPrivilege `xml:"privilege"`
}

type xmlPrivilege struct {
	Area  string `xml:"area,attr"`
	Name  string `xml:"name,attr"`
	Title string `xml:"title,attr"`
}

// metadata returns APP-META.xml.
func (m Manifest) metadata() ([]byte, error) {
	doc := application{
		Format: "2.0", Packaged: m.Package.Packaged,
		ID: m.Package.ID, Name: m.Package.Name,
		Version: strconv.Itoa(m.Package.Version), Release: strconv.Itoa(m.Package.Release),
		Homepage: m.Package.Homepage,
		Vendor:   organization(m.Vendor),
		Packager: packager{organization: organization(m.Vendor), URI: m.Vendor.Homepage},
		License:  license{MustAccept: m.License.MustAccept, Text: licenseText{m.License.Name, m.License.URL}},
		Presentation: presentation{
			Summary: m.Presentation.Summary, Description: m.Presentation.Description,
			Icon: icon{m.Presentation.Icon}, Categories: m.Presentation.Categories,
			Navigation: m.resolve(m.Navigation),
		},
	}
	if m.Package.Upgrade != "" {
		doc.Upgrade = &upgrade{m.Package.Upgrade}
	}
	if len(m.Presentation.Changelog) > 0 {
		doc.Presentation.Changelog = &changelog{}
	}
	for _, c := range m.Presentation.Changelog {
		doc.Presentation.Changelog.Versions = append(doc.Presentation.Changelog.Versions,
			change{strconv.Itoa(c.Version), strconv.Itoa(c.Release), c.Entries})
	}
	for _, s := range m.Services {
		doc.Services = append(doc.Services, service{s.ID, schemaRef{s.Schema}, servicePresentation{s.Name, s.Summary}})
	}
	if len(m.Privileges) > 0 {
		doc.Privileges = &xmlPrivileges{}
	}
	for _, p := range m.Privileges {
		doc.Privileges.Privileges = append(doc.Privileges.Privileges, xmlPrivilege{p.Area, p.Name, p.Title})
	}
	return marshal(doc)
}

type fileList struct {
	XMLName xml.Name     `xml:"http://apstandard.com/ns/1 files"`
	Files   []listedFile `xml:"file"`
}

type listedFile struct {
	Name   string `xml:"name,attr"`
	Size   int    `xml:"size,attr"`
	SHA256 string `xml:"sha256,attr"`
}

// list returns APP-LIST.xml for files, in the given order of names.
func list(names []string, files map[string][]byte) ([]byte, error) {
	var doc fileList
	for _, name := range names {
		doc.Files = append(doc.Files, listedFile{Name: name, Size: len(files[name]), SHA256: sum(files[name])})
	}
	return marshal(doc)
}

func sum(content []byte) string {
	digest := sha256.Sum256(content)
	return hex.EncodeToString(digest[:])
}

func marshal(doc any) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(xmlHead)
	encoder := xml.NewEncoder(&out)
	encoder.Indent("", "    ")
	if err := encoder.Encode(doc); err != nil {
		return nil, fmt.Errorf("writing XML: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
