package pack

import (
	"bytes"
	"errors"
	"maps"
	"path"
	"regexp"
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

// commentLines matches a comment that has its lines to itself.
var commentLines = regexp.MustCompile(`(?m)^[ \t]*(?://[^\n]*|/\*(?:[^*]|\*+[^*/])*\*+/[ \t]*)\n`)

// trimComments removes from scripts the comments that have their lines to themselves: a fifth of what a screen loads, for readers
// of the sources only. A script that would do something else without them, because a text looks like a comment, stays as it is.
func trimComments(files map[string][]byte) {
	for name, content := range files {
		if !strings.HasPrefix(name, "ui/") || path.Ext(name) != ".js" {
			continue
		}
		trimmed := commentLines.ReplaceAll(content, nil)
		before, err := meaning(content)
		if err != nil {
			continue // the check of the package tells
		}
		if after, err := meaning(trimmed); err == nil && after == before {
			files[name] = trimmed
		}
	}
}

// meaning returns a script without its comments and its layout.
func meaning(script []byte) (string, error) {
	tree, err := js.Parse(parse.NewInputBytes(bytes.Clone(script)), js.Options{})
	if err != nil {
		return "", err
	}
	return tree.JSString(), nil
}

// A scriptText is a text that a script translates.
type scriptText struct {
	script, text string
	wrapped      bool // by the script's own t() instead of the library's _()
}

// A scriptChecker checks the scripts and pages of a package.
type scriptChecker struct {
	files  map[string][]byte
	texts  []scriptText
	loads  map[string][]string // file → files that its modules are in
	broken []Finding           // syntax errors
	out    *findings
}

// checkScripts checks the scripts and the pages of the screens, and returns the texts that they translate. A script that no
// screen loads may be as it likes.
func checkScripts(meta *element, files map[string][]byte, out *findings) []scriptText {
	c := scriptChecker{files: files, loads: make(map[string][]string), out: out}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(name, "ui/") {
			continue
		}
		switch path.Ext(name) {
		case ".js":
			c.script(name, files[name])
		case ".html":
			for _, script := range inlineScripts(files[name]) {
				c.script(name, script)
			}
		}
	}
	loaded := c.loaded(meta)
	for _, f := range c.broken {
		file, _, _ := strings.Cut(f.Where, ":")
		if loaded[file] {
			out.list = append(out.list, f)
		} else {
			out.advise(f.Where, "%s; no screen loads it", f.What)
		}
	}
	return c.texts
}

// loaded returns the files that the screens load.
func (c *scriptChecker) loaded(meta *element) map[string]bool {
	loaded := make(map[string]bool)
	var queue []string
	for _, tree := range meta.child("presentation").all("navigation") {
		tree.walk(func(e *element) {
			if slices.Contains([]string{"view", "view-plugin", "popup"}, e.name) {
				queue = append(queue, sourceOf(e))
			}
		})
	}
	for queue = append(queue, bootstrapName); len(queue) > 0; queue = queue[1:] {
		if !loaded[queue[0]] {
			loaded[queue[0]] = true
			queue = append(queue, c.loads[queue[0]]...)
		}
	}
	return loaded
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

// sloppy are parts of the parser's messages about what browsers accept all the same: rules outside strict mode, and long
// expressions.
var sloppy = []string{"legacy octal", "already been declared", "unexpected function in statement", "too many nested"}

// script checks the syntax of a script and the modules that it loads.
func (c *scriptChecker) script(name string, content []byte) {
	tree, err := js.Parse(parse.NewInputBytes(bytes.Clone(content)), js.Options{})
	if err != nil {
		where, what := name, err.Error()
		if failed, ok := errors.AsType[*parse.Error](err); ok {
			where, what = name+":"+strconv.Itoa(failed.Line), failed.Message
		}
		f := Finding{Where: where, What: "the script has a syntax error: " + printable(what), Level: Refused}
		if slices.ContainsFunc(sloppy, func(part string) bool { return strings.Contains(what, part) }) {
			f.Level = Advice
		}
		c.broken = append(c.broken, f)
		return
	}
	visitor := &scriptVisitor{name: name}
	js.Walk(visitor, tree)
	c.texts = append(c.texts, visitor.texts...)
	for _, module := range visitor.modules {
		c.module(name, module)
	}
}

// A scriptVisitor collects the texts and the modules of a script.
type scriptVisitor struct {
	name    string
	texts   []scriptText
	modules []string
}

// Enter implements js.IVisitor.
func (v *scriptVisitor) Enter(n js.INode) js.IVisitor {
	// A widget in a tree is a list of its module, its properties and its children.
	if tree, ok := n.(*js.ArrayExpr); ok && len(tree.List) > 0 {
		for _, module := range literals(tree.List[0].Value) {
			if strings.HasPrefix(module, "aps/") {
				v.modules = append(v.modules, module)
			}
		}
	}
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

// module checks a module that a script loads.
func (c *scriptChecker) module(script, module string) {
	module, _, plugin := strings.Cut(module, "!")
	switch {
	case strings.HasPrefix(module, "aps/"):
		if !slices.Contains(modules, module) {
			c.out.advise(script, "the module %s is not among those of the platform that published screens load", printable(module))
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
		found := slices.DeleteFunc(candidates, func(name string) bool { return c.files[name] == nil })
		if len(found) == 0 {
			c.out.advise(script, "the module %s is not in the archive", printable(module))
		}
		c.loads[script] = append(c.loads[script], found...)
	}
}
