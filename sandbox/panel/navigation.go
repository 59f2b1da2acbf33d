package panel

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
)

// A section is one group of the menu: what packages plug into one socket.
type section struct {
	Label string `json:"label"` // of the panel's own folder; empty at the top level
	Nodes []Node `json:"nodes"`
}

// A plug is a socket of a panel with the label of its folder.
type plug struct{ label, uri string }

// plugs returns the sockets that a panel offers to a role. Only classic panels have the folder Services
// (docs/reference/aps-ui.md §1.1).
func plugs(panel string, role Role) []plug {
	switch {
	case panel == "classic" && role == Provider:
		return []plug{{"Services", PlugClassicServices}, {"Applications", PlugClassicInstance}}
	case panel == "classic":
		return []plug{{"Services", PlugClassicServices}}
	case role == Provider:
		return []plug{{"", PlugUX1Provider}}
	}
	return []plug{{"", PlugUX1Reseller}}
}

func (s *server) navigation(w http.ResponseWriter, r *http.Request, in session) {
	sections, err := s.menu(r.Context(), in.user, r.FormValue("panel"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for i := range sections {
		s.translate(r.Context(), sections[i].Nodes, r.FormValue("locale"))
	}
	writeJSON(w, http.StatusOK, sections)
}

// menu returns the sections that the user sees in a panel, without those that have no screen.
func (s *server) menu(ctx context.Context, u User, panel string) ([]section, error) {
	sections := []section{}
	for _, p := range plugs(panel, u.Role) {
		nodes, err := s.cfg.Backend.Navigation(ctx, u.ID, p.uri)
		if err != nil {
			return nil, fmt.Errorf("reading navigation at %s: %w", p.uri, err)
		}
		nodes, err = s.visible(ctx, u, nodes)
		if err != nil {
			return nil, err
		}
		if len(nodes) > 0 {
			sections = append(sections, section{Label: p.label, Nodes: nodes})
		}
	}
	return sections, nil
}

// visible removes screens with an empty required variable, and folders without a screen.
func (s *server) visible(ctx context.Context, u User, nodes []Node) ([]Node, error) {
	var kept []Node
	for _, n := range nodes {
		_, complete, err := s.vars(ctx, u, n.Vars)
		if err != nil {
			return nil, err
		}
		if !complete {
			continue
		}
		if n.Nodes, err = s.visible(ctx, u, n.Nodes); err != nil {
			return nil, err
		}
		if n.View != nil || len(n.Nodes) > 0 {
			kept = append(kept, n)
		}
	}
	return kept, nil
}

// vars returns the values of variables, and reports whether every required one has a value.
func (s *server) vars(ctx context.Context, u User, vars []Var) (values map[string]any, complete bool, err error) {
	values, complete = map[string]any{}, true
	for _, v := range vars {
		found, err := s.cfg.Backend.Resources(ctx, u.ID, v.Type)
		if err != nil {
			return nil, false, fmt.Errorf("reading resources of %s: %w", v.Type, err)
		}
		complete = complete && (len(found) > 0 || !v.Required)
		switch {
		case v.Collection:
			values[v.Name] = append([]json.RawMessage{}, found...)
		case len(found) > 0:
			values[v.Name] = found[0]
		}
	}
	return values, complete, nil
}

// locales matches valid locales. They become names of files, so they are checked before use.
var locales = regexp.MustCompile(`^[a-z]{2}(_[A-Z]{2})?$`)

// translate replaces the labels of nodes with the translations in their package's catalogue, if there are any.
func (s *server) translate(ctx context.Context, nodes []Node, locale string) {
	for i := range nodes {
		n := &nodes[i]
		words := s.catalogue(ctx, n.Package, locale)
		word := func(text string) string {
			if translated, ok := words[text]; ok {
				return translated
			}
			return text
		}
		n.Label = word(n.Label)
		if n.View != nil {
			view := *n.View
			view.Controls = nil
			for _, c := range n.View.Controls {
				view.Controls = append(view.Controls, Control{c.Handler, word(c.Label)})
			}
			n.View = &view
		}
		n.Nodes = append([]Node(nil), n.Nodes...)
		s.translate(ctx, n.Nodes, locale)
	}
}

// catalogue returns a package's texts in a language; it is empty if the package does not have that language.
func (s *server) catalogue(ctx context.Context, packageID, locale string) map[string]string {
	if !locales.MatchString(locale) {
		return nil
	}
	files, err := s.cfg.Backend.Files(ctx, packageID)
	if err != nil {
		return nil
	}
	content, err := fs.ReadFile(files, "i18n/"+locale+".json")
	if err != nil {
		return nil
	}
	var words map[string]string
	if err := json.Unmarshal(content, &words); err != nil {
		s.cfg.Log.WarnContext(ctx, "catalogue is not JSON", "package", packageID, "locale", locale, "err", err)
		return nil
	}
	return words
}

// context answers with aps.context, as the real panel passes it to a screen (docs/reference/aps-ui.md §2.2).
func (s *server) context(w http.ResponseWriter, r *http.Request, in session) {
	sections, err := s.menu(r.Context(), in.user, r.FormValue("panel"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	for _, sec := range sections {
		n, ok := findView(sec.Nodes, r.FormValue("package"), r.FormValue("view"))
		if !ok {
			continue
		}
		given, err := s.contextOf(r, in.user, n)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, given)
		return
	}
	http.NotFound(w, r)
}

func (s *server) contextOf(r *http.Request, u User, n Node) (map[string]any, error) {
	values, _, err := s.vars(r.Context(), u, n.Vars)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"vars":           values,
		"params":         map[string]any{},
		"viewId":         n.ID,
		"subscriptionId": u.SubscriptionID,
		"bs":             r.FormValue("panel") != "classic",
		"_locale":        r.FormValue("locale"),
		"user": map[string]any{
			"login":        u.Login,
			"organization": map[string]any{"aps": map[string]any{"id": u.AccountID}},
		},
	}, nil
}

// A tile is what a package shows on the home page.
type tile struct {
	Package string         `json:"package"`
	ID      string         `json:"id"`
	Src     string         `json:"src"`
	Context map[string]any `json:"context"`
}

// tiles answers with the tiles of the home page, which only resellers in UX1 have (docs/reference/aps-ui.md §1.1).
func (s *server) tiles(w http.ResponseWriter, r *http.Request, in session) {
	found := []tile{}
	var nodes []Node
	var err error
	if r.FormValue("panel") != "classic" && in.user.Role != Provider {
		nodes, err = s.cfg.Backend.Navigation(r.Context(), in.user.ID, PlugResellerTiles)
	}
	if err == nil {
		nodes, err = s.visible(r.Context(), in.user, nodes)
	}
	for _, n := range nodes {
		var given map[string]any
		if given, err = s.contextOf(r, in.user, n); err != nil {
			break
		}
		found = append(found, tile{n.Package, n.ID, n.View.Src, given})
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, found)
}

func findView(nodes []Node, packageID, id string) (Node, bool) {
	for _, n := range nodes {
		if n.View != nil && n.Package == packageID && n.ID == id {
			return n, true
		}
		if found, ok := findView(n.Nodes, packageID, id); ok {
			return found, true
		}
	}
	return Node{}, false
}
