package pack

import (
	"bytes"
	"errors"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/html"
	"github.com/tdewolff/parse/v2/js"
)

// modules are those of the platform's library that published screens load (docs/reference/aps-ui.md §2.3, §2.8).
var modules = []string{
	"aps/Button", "aps/CheckBox", "aps/Container", "aps/FieldSet", "aps/Gauge", "aps/Grid", "aps/Hr", "aps/Memory",
	"aps/Message", "aps/MessageList", "aps/Output", "aps/PageContainer", "aps/Panel", "aps/Password", "aps/ProgressBar",
	"aps/RadioButton", "aps/ResourceStore", "aps/Select", "aps/Slider", "aps/Spinner", "aps/Status", "aps/Store", "aps/Switch",
	"aps/TextArea", "aps/TextBox", "aps/Tile", "aps/Tiles", "aps/Toolbar", "aps/ToolbarButton", "aps/UserInfo", "aps/View",
	"aps/_PopupView", "aps/_View", "aps/alert", "aps/common", "aps/confirm", "aps/i18n", "aps/load", "aps/nav/ViewPlugin",
	"aps/parser", "aps/ready", "aps/tiles/UsageInfoTile", "aps/xhr",
}

// A scriptText is a text that a script translates.
type scriptText struct {
	script, text string
	wrapped      bool // by the script's own t() instead of the library's _()
}

// checkScripts checks the scripts and the pages of the screens, and returns the texts that they translate.
func checkScripts(files map[string][]byte, out *findings) []scriptText {
	var texts []scriptText
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(name, "ui/") {
			continue
		}
		var scripts [][]byte
		switch path.Ext(name) {
		case ".js":
			scripts = [][]byte{files[name]}
		case ".html":
			scripts = inlineScripts(files[name])
		}
		for _, script := range scripts {
			texts = append(texts, checkScript(name, script, files, out)...)
		}
	}
	return texts
}

// inlineScripts returns the scripts in a page.
func inlineScripts(page []byte) (scripts [][]byte) {
	lexer := html.NewLexer(parse.NewInputBytes(bytes.Clone(page)))
	inScript := false
	for {
		token, data := lexer.Next()
		switch token {
		case html.ErrorToken:
			return scripts
		case html.StartTagToken:
			inScript = strings.EqualFold(string(lexer.Text()), "script")
		case html.AttributeToken:
			value := strings.ToLower(strings.Trim(string(lexer.AttrVal()), `"'`))
			switch strings.ToLower(string(lexer.AttrKey())) {
			case "src":
				inScript = false
			case "type":
				inScript = inScript && (value == "" || value == "module" || strings.HasSuffix(value, "javascript"))
			}
		case html.TextToken:
			if inScript {
				scripts = append(scripts, bytes.Clone(data))
			}
			inScript = false
		}
	}
}

// checkScript checks the syntax of a script and the modules that it loads.
func checkScript(name string, content []byte, files map[string][]byte, out *findings) []scriptText {
	tree, err := js.Parse(parse.NewInputBytes(bytes.Clone(content)), js.Options{})
	if err != nil {
		where, what := name, err.Error()
		if failed, ok := errors.AsType[*parse.Error](err); ok {
			where, what = name+":"+strconv.Itoa(failed.Line), failed.Message
		}
		out.refuse(where, "the script has a syntax error: %s", printable(what))
		return nil
	}
	visitor := &scriptVisitor{name: name}
	js.Walk(visitor, tree)
	for _, module := range visitor.modules {
		checkModule(name, module, files, out)
	}
	return visitor.texts
}

// A scriptVisitor collects the texts and the modules of a script.
type scriptVisitor struct {
	name    string
	texts   []scriptText
	modules []string
}

// Enter implements js.IVisitor.
func (v *scriptVisitor) Enter(n js.INode) js.IVisitor {
	call, ok := n.(*js.CallExpr)
	if !ok || len(call.Args.List) == 0 {
		return v
	}
	switch function := calledName(call.X); function {
	case "_", "t":
		for _, text := range literals(call.Args.List[0].Value) {
			v.texts = append(v.texts, scriptText{script: v.name, text: text, wrapped: function == "t"})
		}
	case "define", "require":
		for _, a := range call.Args.List {
			if list, ok := a.Value.(*js.ArrayExpr); ok {
				for _, e := range list.List {
					v.modules = append(v.modules, literals(e.Value)...)
				}
			}
		}
	}
	return v
}

// Exit implements js.IVisitor.
func (*scriptVisitor) Exit(js.INode) {}

// calledName returns the name of a called function or method.
func calledName(x js.IExpr) string {
	switch x := x.(type) {
	case *js.Var:
		return string(x.Data)
	case *js.DotExpr:
		return calledName(x.Y)
	case js.LiteralExpr:
		return string(x.Data)
	case *js.LiteralExpr:
		return string(x.Data)
	}
	return ""
}

// literals returns the texts that an argument may be: a literal, or one of two.
func literals(x js.IExpr) []string {
	switch x := x.(type) {
	case *js.LiteralExpr:
		if x.TokenType == js.StringToken {
			return []string{unquote(x.Data)}
		}
	case *js.CondExpr:
		return append(literals(x.X), literals(x.Y)...)
	case *js.GroupExpr:
		return literals(x.X)
	}
	return nil
}

// unquote returns the value of a string literal.
func unquote(literal []byte) string {
	text := string(literal[1 : len(literal)-1])
	if !strings.Contains(text, `\`) {
		return text
	}
	// Go reads the same escapes, except that of a quotation mark of the other kind and of a line's end.
	text = strings.NewReplacer("\\\r\n", "", "\\\n", "", `\'`, "'", `\\`, `\\`, `\"`, `\"`, `"`, `\"`, `\/`, "/").Replace(text)
	if value, err := strconv.Unquote(`"` + text + `"`); err == nil {
		return value
	}
	return text
}

// checkModule checks a module that a script loads.
func checkModule(script, module string, files map[string][]byte, out *findings) {
	module, _, plugin := strings.Cut(module, "!")
	switch {
	case strings.HasPrefix(module, "aps/"):
		if !slices.Contains(modules, module) {
			out.advise(script, "the module %s is not among those of the platform that published screens load", printable(module))
		}
	case plugin || !strings.HasPrefix(module, "app/") && !strings.HasPrefix(module, "."):
		// of another library
	default:
		// A name with .js belongs to the page, another one to the module (docs/reference/aps-ui.md §2.1).
		file := strings.TrimSuffix(module, ".js") + ".js"
		candidates := []string{path.Join("ui", strings.TrimPrefix(file, "app/"))}
		if !strings.HasPrefix(module, "app/") {
			candidates = append(candidates, path.Join(path.Dir(script), file))
		}
		if !slices.ContainsFunc(candidates, func(name string) bool { return files[name] != nil }) {
			out.advise(script, "the module %s is not in the archive", printable(module))
		}
	}
}
