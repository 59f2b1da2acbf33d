package store_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"azure-partner-connector/connector/length"
	"azure-partner-connector/connector/store/storetest"
)

// TestBounds_FitTheColumns_MySQL compares what the domain stores at most with the columns that the migrations create.
func TestBounds_FitTheColumns_MySQL(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *storetest.Database) {
		db.Open(t)
		columns := db.TextColumns(t)
		if unused := storetest.Unused(columns); len(unused) > 0 {
			t.Errorf("there are bounds of columns that do not exist: %v", unused)
		}
		bounds := storetest.Bounds()
		for _, column := range columns {
			bound, known := bounds[column.Name]
			switch {
			case !known:
				t.Errorf("%s has no bound: give it one in storetest.Bounds, and let the domain keep to it", column.Name)
			case column.Characters > 0 && (bound.Characters == 0 && bound.Bytes > column.Characters || bound.Characters > column.Characters):
				t.Errorf("%s has room for %d characters, and the domain stores up to %+v", column.Name, column.Characters, bound)
			case column.Characters == 0 && column.Bytes > 0 && bound.Bytes > column.Bytes:
				t.Errorf("%s has room for %d bytes, and the domain stores up to %+v", column.Name, column.Bytes, bound)
			}
		}
	})
}

// TestBounds_WordsOfOurOwnFit reads the constants that are stored as they are.
func TestBounds_WordsOfOurOwnFit(t *testing.T) {
	longest := map[string]int{
		"Action": length.Code, "ActorKind": length.Word, "Slot": length.Word, "Procedure": length.Word, "Status": length.Word, "Code": length.Code,
	}
	found := map[string]int{}
	for _, file := range []string{"../audit/audit.go", "../token/grant.go", "../consent/consent.go", "../failure/code.go"} {
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(source, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			kind, isName := spec.Type.(*ast.Ident)
			word, isWord := spec.Values[0].(*ast.BasicLit)
			if !isName || !isWord || longest[kind.Name] == 0 {
				return true
			}
			text, err := strconv.Unquote(word.Value)
			if err != nil || !length.Fits(text, longest[kind.Name]) {
				t.Errorf("the %s %q has more than %d characters", kind.Name, text, longest[kind.Name])
			}
			found[kind.Name]++
			return true
		})
	}
	for kind := range longest {
		if found[kind] == 0 {
			t.Errorf("no constant of the type %s was found", kind)
		}
	}
}
