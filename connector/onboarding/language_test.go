package onboarding_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"azure-partner-connector/connector/consent"
	"azure-partner-connector/connector/failure"
	"azure-partner-connector/connector/onboarding"
)

// usedTexts returns every text that pages can show: of the templates, of failures, and of the code.
func usedTexts(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{"Global admin": true, "Admin agent": true} // parameters of role_missing
	for _, c := range failure.Codes() {
		sentence, advice := c.Template()
		used[sentence], used[advice] = true, true
	}
	pages, err := filepath.Glob("pages/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("Glob(pages) = %q, %v", pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\.T "([^"]*)"`).FindAllSubmatch(text, -1) {
			used[string(match[1])] = true
		}
	}
	maps.Copy(used, codeTexts(t))
	return used
}

// codeTexts returns the texts in the code: titles and reasons.
func codeTexts(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			text, err := strconv.Unquote(l.Value)
			if err != nil {
				t.Fatal(err)
			}
			used[text] = true
		}
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch name := calledName(n); {
				case name == "unreadable":
					literal(n.Args[0])
				case name == "renderFailure":
					literal(n.Args[2])
				case name == "text" && len(n.Args) == 2:
					literal(n.Args[1])
				case name == "render" && len(n.Args) == 5:
					literal(n.Args[3])
				}
			case *ast.FuncDecl:
				if n.Name.Name != "heading" && n.Name.Name != "purpose" {
					return true
				}
				ast.Inspect(n, func(n ast.Node) bool {
					if r, ok := n.(*ast.ReturnStmt); ok {
						literal(r.Results[0])
					}
					return true
				})
			}
			return true
		})
	}
	return used
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		return f.Sel.Name
	}
	return ""
}

var placeholders = regexp.MustCompile(`__[a-z]+__`)

func TestCatalogues_AreComplete(t *testing.T) {
	catalogues, err := onboarding.Catalogues()
	if err != nil {
		t.Fatalf("Catalogues = %v", err)
	}
	used := usedTexts(t)
	if len(used) < 150 || !used["Consent requested"] || !used["This link can't be used"] || !used["a parameter is too long"] || !used["Continue to Microsoft"] {
		t.Fatalf("usedTexts() = %d texts, want those of all pages, failures and code", len(used))
	}
	for _, name := range []string{"en", "de"} {
		if catalogues[name] == nil {
			t.Errorf("there is no catalogue %s", name)
		}
	}
	for name, texts := range catalogues {
		for text := range used {
			translated := texts[text]
			if translated == "" {
				t.Errorf("catalogue %s lacks %q", name, text)
			}
			want, got := placeholders.FindAllString(text, -1), placeholders.FindAllString(translated, -1)
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("catalogue %s: %q has placeholders %q, want %q", name, translated, got, want)
			}
		}
		for text, translated := range texts {
			if !used[text] {
				t.Errorf("catalogue %s holds %q, which nothing shows", name, text)
			}
			if name == "en" && translated != text {
				t.Errorf("catalogue en translates %q to %q, want the same", text, translated)
			}
		}
	}
}

func TestLanguage_OfPages(t *testing.T) {
	for name, tc := range map[string]struct {
		query, accept, want string
	}{
		"none":                 {"", "", "en"},
		"German":               {"", "de", "de"},
		"Austrian":             {"", "de-AT,de;q=0.9,en;q=0.5", "de"},
		"English first":        {"", "en-US,de;q=0.9", "en"},
		"unknown, then German": {"", "th,de;q=0.5", "de"},
		"unknown":              {"", "th", "en"},
		"nonsense":             {"", ";;;==", "en"},
		"requested":            {"?ui_locales=de", "en", "de"},
		"requested in a list":  {"?ui_locales=th+de-CH+en", "en", "de"},
		"requested, unknown":   {"?ui_locales=th", "de", "de"},
		"requested, nonsense":  {"?ui_locales=%00%22%3E", "de", "de"},
		"requested, too long":  {"?ui_locales=" + strings.Repeat("de+", 60), "en", "en"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHarness(t, nil)
			v := h.visitor()
			v.header.Set("Accept-Language", tc.accept)
			p := v.get("/consent/" + link + tc.query)
			if p.header.Get("Content-Language") != tc.want || !strings.Contains(p.body, `<html lang="`+tc.want+`">`) {
				t.Errorf("GET /consent/…%s = %q %s, want language %s", tc.query, p.header.Get("Content-Language"), p.body, tc.want)
			}
		})
	}
}

func TestLanguage_IsKeptForTheCallback(t *testing.T) {
	h := newHarness(t, nil)
	h.complete = func(consent.Callback) (consent.Outcome, error) {
		return consent.Outcome{}, failure.New(failure.RoleMissing, "username", "ada@fabrikam.com", "role", "Global admin")
	}
	v := h.visitor()
	v.get("/consent/" + link + "?ui_locales=th+de")
	v.continueFrom("/consent/" + link + "?ui_locales=th+de")
	p := v.callBack(granted())
	const want = "Das Konto ada@fabrikam.com hat die Rolle Globaler Administrator nicht. Es wurde nichts geändert."
	if got := p.text("sentence"); got != want {
		t.Errorf("sentence = %q, want %q", got, want)
	}
	if p := v.get("/callback?state=" + state); p.status != http.StatusSeeOther {
		t.Fatalf("GET /callback = %d, want 303", p.status)
	}
	const unreadable = "Die Anfrage konnte nicht gelesen werden: sie enthält weder einen Code noch einen Fehler."
	if got := v.get("/done").text("sentence"); got != unreadable {
		t.Errorf("sentence = %q, want %q", got, unreadable)
	}
}

func TestLocale_ForMicrosoft(t *testing.T) {
	h := newHarness(t, nil)
	for _, tc := range []struct{ query, want string }{
		{"", ""},
		{"?ui_locales=fr-CA+de", "fr-CA"},
		{"?ui_locales=%22x%22+de", "de"},
		{"?ui_locales=" + url.QueryEscape("de&prompt=none"), ""},
	} {
		h.visitor().continueFrom("/consent/" + link + tc.query)
		if got := h.locales[len(h.locales)-1]; got != tc.want {
			t.Errorf("Authorize for %q was called with locale %q, want %q", tc.query, got, tc.want)
		}
	}
	v := h.visitor()
	v.get("/consent/" + link + "?ui_locales=de")
	v.continueFrom("/consent/" + link)
	if got := h.locales[len(h.locales)-1]; got != "de" {
		t.Errorf("Authorize after a page in German was called with locale %q, want de", got)
	}
}
