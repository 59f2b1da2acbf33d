package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// The words that this repository does without, since a reader would need a key to them. They are compared without
// regard to case: the first list with the words of identifiers and of file names, the second with comments and documents.
var (
	noNames = []string{
		"door", "rooms", "furnish", "gathering", "question", "hasten", "heed", "patiently", "by the way", "places",
		"standing", "leave alone", "ties", "stranger",
	}
	noWords = regexp.MustCompile(`(?i)\b(he|him|his|whom|ears|bell|rang|torture|gust|blows)\b`)
)

// An exception is a word that stays, and why.
type exception struct {
	file string // seen from the repository's root
	word string
	why  string
}

// exceptions quote what others have named.
var exceptions = []exception{
	{"migrations/mysql/00003_ties.sql", "ties", "a migration that was published keeps its name"},
	{"migrations/sqlite/00003_ties.sql", "ties", "a migration that was published keeps its name"},
	{"Makefile", "torture", "the former name of a target goes on working"},
}

// A wordCheck collects which exceptions were needed.
type wordCheck struct {
	t    *testing.T
	used map[exception]bool
}

func (c *wordCheck) found(name, word, where string) {
	c.t.Helper()
	file, err := filepath.Rel(root, name)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, e := range exceptions {
		if e.file == filepath.ToSlash(file) && strings.EqualFold(e.word, word) {
			c.used[e] = true
			return
		}
	}
	c.t.Errorf("%s: %q in %s", filepath.ToSlash(file), word, where)
}

// identifier reports the words of noNames in an identifier, or in a file's name.
func (c *wordCheck) identifier(name, identifier, where string) {
	c.t.Helper()
	words := " " + strings.Join(split(identifier), " ") + " "
	for _, no := range noNames {
		if strings.Contains(words, " "+no+" ") {
			c.found(name, no, where+" "+identifier)
		}
	}
}

func (c *wordCheck) prose(name, text, where string) {
	c.t.Helper()
	for _, at := range noWords.FindAllStringIndex(text, -1) {
		around := strings.Join(strings.Fields(text[max(0, at[0]-30):min(len(text), at[1]+30)]), " ")
		c.found(name, text[at[0]:at[1]], where+": "+strings.ToValidUTF8(around, ""))
	}
}

// split returns the words of a CamelCase or snake_case name in lower case.
func split(name string) []string {
	var words []string
	runes := []rune(name)
	start := 0
	cut := func(end int) {
		if end > start {
			words = append(words, strings.ToLower(string(runes[start:end])))
		}
	}
	for i, r := range runes {
		switch {
		case !unicode.IsLetter(r):
			cut(i)
			start = i + 1
		case i > start && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])):
			cut(i)
			start = i
		}
	}
	cut(len(runes))
	return words
}

func TestWords_Split(t *testing.T) {
	for name, want := range map[string][]string{
		"leaveAlone":        {"leave", "alone"},
		"HTTPDoorOf":        {"http", "door", "of"},
		"TestTies_OfID":     {"test", "ties", "of", "id"},
		"00003_ties.sql":    {"ties", "sql"},
		"properties":        {"properties"},
		"verifiedOAuth1URL": {"verified", "o", "auth", "url"},
	} {
		if got := split(name); !slices.Equal(got, want) {
			t.Errorf("split(%q) = %q, want %q", name, got, want)
		}
	}
}

// TestWords_AreOfTheField checks names, comments and documents against the two lists.
func TestWords_AreOfTheField(t *testing.T) {
	c := &wordCheck{t: t, used: map[exception]bool{}}
	files, names, comments := token.NewFileSet(), 0, 0
	for _, name := range sources(t) {
		switch filepath.Base(name) {
		case "words_test.go", "THIRD-PARTY-NOTICES.txt":
			continue // the lists themselves, and the texts of others
		}
		c.identifier(name, filepath.Base(name), "the file's name")
		text := read(t, name)
		switch filepath.Ext(name) {
		case ".go":
			file, err := parser.ParseFile(files, name, text, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range file.Comments {
				comments++
				c.prose(name, group.Text(), "a comment")
			}
			seen := map[string]bool{}
			ast.Inspect(file, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && !seen[id.Name] {
					seen[id.Name] = true
					names++
					c.identifier(name, id.Name, "the identifier")
				}
				return true
			})
		case ".js", ".mjs":
			code, remarks := scanScript(text)
			comments++
			c.prose(name, remarks, "a comment")
			for _, id := range code {
				names++
				c.identifier(name, id, "the identifier")
			}
		case ".html", ".css":
			_, remarks := scanScript(text)
			c.prose(name, remarks, "a comment")
		default:
			c.prose(name, text, "the text")
		}
	}
	if names < 10_000 || comments < 2_000 {
		t.Errorf("only %d identifiers and %d comments were read", names, comments)
	}
	for _, e := range exceptions {
		if !c.used[e] {
			t.Errorf("the exception for %q in %s is not needed", e.word, e.file)
		}
	}
}

// scriptPart is a comment, a text or a name of JavaScript. A regular expression counts as code, which is near enough.
var scriptPart = regexp.MustCompile("(?s)/\\*.*?\\*/|//[^\n]*|\"(?:[^\"\\\\\n]|\\\\.)*\"|'(?:[^'\\\\\n]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`|[A-Za-z_$][\\w$]*")

// scanScript returns the names and the comments of a script.
func scanScript(text string) (identifiers []string, remarks string) {
	var b strings.Builder
	for _, part := range scriptPart.FindAllString(text, -1) {
		switch {
		case strings.HasPrefix(part, "//") || strings.HasPrefix(part, "/*"):
			b.WriteString(part + "\n")
		case strings.ContainsAny(part[:1], "\"'`"):
		case !slices.Contains(identifiers, part):
			identifiers = append(identifiers, part)
		}
	}
	return identifiers, b.String()
}

func TestWords_ScanScript(t *testing.T) {
	identifiers, remarks := scanScript("/* one */ const aDoor = \"his // bell\"; // two\nring(`him ${x}`, 'whom');")
	if want := []string{"const", "aDoor", "ring"}; !slices.Equal(identifiers, want) {
		t.Errorf("identifiers = %q, want %q", identifiers, want)
	}
	if want := "/* one */\n// two\n"; remarks != want {
		t.Errorf("comments = %q, want %q", remarks, want)
	}
}
