package platform

import (
	"encoding/xml"
	"maps"
	"slices"

	"azure-partner-connector/connector/platform/rql"
)

// Extension points of panels (docs/reference/aps-ui.md §1.1).
const (
	UX1Reseller     = "http://www.aps-standard.org/ui/rcp/2"
	UX1Provider     = "http://www.aps-standard.org/ui/pcp/2"
	ClassicServices = "http://www.parallels.com/poa/pcp/services"
	ApplicationTabs = "http://www.aps-standard.org/ui/application"
)

// A Node is one element of a navigation tree (docs/reference/aps-ui.md §1.2).
type Node struct {
	Kind      string // navigation, item, view, view-plugin or popup
	ID        string
	Label     string
	Icon      string
	Src       string // of views: path in the package
	Visible   string // RQL over the variables; empty when always
	Privilege string
	PlugsTo   []string
	Vars      []Var             // those of the elements above included
	Controls  map[string]string // submit, cancel, prev, next → label
	Children  []Node

	PackageID   string // URI of the package
	PackageHref string // address below which the package's files are served
}

// A Var is a variable of a tree.
type Var struct {
	Name       string
	Type       string
	Required   bool
	Collection bool
	Filter     string // RQL; empty when none
}

type xmlNode struct {
	XMLName   xml.Name
	ID        string `xml:"id,attr"`
	Label     string `xml:"label,attr"`
	Icon      string `xml:"icon,attr"`
	Src       string `xml:"src,attr"`
	Visible   string `xml:"visible,attr"`
	Privilege string `xml:"shown-by-privilege,attr"`
	Vars      []struct {
		Name       string `xml:"name,attr"`
		Type       string `xml:"type-id,attr"`
		Required   string `xml:"required,attr"`
		Collection bool   `xml:"collection,attr"`
		Filter     string `xml:"filter,attr"`
	} `xml:"var"`
	PlugsTo []struct {
		ID string `xml:"id,attr"`
	} `xml:"plugs-to"`
	Controls struct {
		List []struct {
			XMLName xml.Name
			Label   string `xml:"label,attr"`
		} `xml:",any"`
	} `xml:"controls"`
	Children []xmlNode `xml:",any"`
}

// nodes converts elements to Nodes, without children that are not navigation.
func nodes(kind string, list []xmlNode, i *installed, inherited ...Var) []Node {
	var made []Node
	for _, x := range list {
		k := kind
		if k == "" {
			k = x.XMLName.Local
		}
		if !slices.Contains([]string{"navigation", "item", "view", "view-plugin", "popup"}, k) {
			continue
		}
		n := Node{
			Kind: k, ID: x.ID, Label: x.Label, Icon: x.Icon, Src: x.Src, Visible: x.Visible, Privilege: x.Privilege,
			Vars: slices.Clone(inherited), Controls: make(map[string]string), PackageID: i.packageID, PackageHref: i.href(),
		}
		if n.Src == "" && k == "view" {
			n.Src = "ui/" + n.ID + ".html"
		}
		for _, v := range x.Vars {
			n.Vars = append(n.Vars, Var{v.Name, v.Type, v.Required != "false", v.Collection, v.Filter})
		}
		for _, point := range x.PlugsTo {
			n.PlugsTo = append(n.PlugsTo, point.ID)
		}
		for _, c := range x.Controls.List {
			n.Controls[c.XMLName.Local] = c.Label
		}
		n.Children = nodes("", x.Children, i, n.Vars...)
		made = append(made, n)
	}
	return made
}

// Navigation returns the elements at an extension point of a panel, for all packages with an instance and independent of
// the user. The elements keep their children that are not plugged elsewhere.
func (p *Platform) Navigation(point string) []Node {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.plugged(point)
}

func (p *Platform) plugged(point string) []Node {
	var found []Node
	seen := make(map[*installed]bool)
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		i := p.instances[id].installed
		if i == nil || seen[i] {
			continue
		}
		seen[i] = true
		found = append(found, pluggedIn(i.navigation, point)...)
	}
	return found
}

func pluggedIn(list []Node, point string) []Node {
	var found []Node
	for _, n := range list {
		if slices.Contains(n.PlugsTo, point) {
			here := n
			here.Children = slices.DeleteFunc(slices.Clone(n.Children), func(c Node) bool {
				return len(c.PlugsTo) > 0 && !slices.Contains(c.PlugsTo, point)
			})
			found = append(found, here)
			continue
		}
		found = append(found, pluggedIn(n.Children, point)...)
	}
	return found
}

// Menu returns Navigation for one user, without the elements that their privileges, their resources or a condition hide.
func (p *Platform) Menu(userID, point string) ([]Node, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[userID]
	if u == nil {
		return nil, notFound("user", userID)
	}
	return p.visible(u, p.plugged(point))
}

func (p *Platform) visible(u *User, list []Node) ([]Node, error) {
	var allowed []Node
	for _, n := range list {
		vars, ok, err := p.vars(u, n.Vars)
		if err != nil {
			return nil, err
		}
		if !ok || !u.holds(n.Privilege) {
			continue
		}
		vars["_is_reseller"] = p.accounts[u.AccountID].Type == Reseller
		terms, err := rql.Parse(n.Visible)
		if err != nil {
			return nil, err
		}
		if ok, err := rql.Match(terms, func(name string) any { return lookup(vars, name) }, rql.NoTypes()); err != nil || !ok {
			if err != nil {
				return nil, err
			}
			continue
		}
		hadChildren := len(n.Children) > 0
		if n.Children, err = p.visible(u, n.Children); err != nil {
			return nil, err
		}
		if n.Kind != "view" && hadChildren && len(n.Children) == 0 {
			continue // all elements below are hidden
		}
		allowed = append(allowed, n)
	}
	return allowed, nil
}

// Vars returns the variables of a view for a user, as in aps.context.vars: the resources of the user's account. ok is
// false when a required one is empty, which blocks the view.
func (p *Platform) Vars(userID string, vars []Var) (values map[string]any, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[userID]
	if u == nil {
		return nil, false, notFound("user", userID)
	}
	values, ok, err = p.vars(u, vars)
	return clone(values), ok, err
}

func (p *Platform) vars(u *User, vars []Var) (map[string]any, bool, error) {
	values := make(map[string]any)
	ok := true
	for _, v := range vars {
		terms, err := rql.Parse(v.Filter)
		if err != nil {
			return nil, false, err
		}
		list := []any{}
		for _, id := range p.created {
			r := p.resources[id]
			t := p.types[r.typeID]
			if r.owner != u.AccountID && (t == nil || !t.Access["global"]) || !implements(p.types, r.typeID, v.Type) {
				continue
			}
			view := p.view(audience{account: u.AccountID}, r)
			if match, err := rql.Match(terms, func(name string) any { return lookup(view, name) }, p.asked(r.typeID)); err != nil {
				return nil, false, err
			} else if match {
				list = append(list, view)
			}
		}
		ok = ok && (!v.Required || len(list) > 0)
		switch {
		case v.Collection:
			values[v.Name] = list
		case len(list) > 0:
			values[v.Name] = list[0]
		}
	}
	return values, ok, nil
}

// asked answers RQL's questions about one type.
func (p *Platform) asked(typeID string) rql.Types {
	return rql.Types{
		Implementing: func(base string) bool { return implements(p.types, typeID, base) },
		Composing: func(derived string) bool {
			t := find(p.types, derived)
			return t != nil && implements(p.types, t.ID, typeID)
		},
	}
}
