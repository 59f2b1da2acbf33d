package secret_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// holdsSecret matches names of fields whose values are secret as a rule.
var holdsSecret = regexp.MustCompile(`(?i)(secret|password|passwd|credential|privatekey|signature|cookie|verifier|nonce|dsn|authorization)|(refresh|access|id)_?token|^(token|code|claimcode|browser|link|ring|plaintext|pepper|seed)$`)

// notSecret are fields of such a name whose values are none, with what they are.
var notSecret = map[string]string{
	"api.identityAnswer.AccessToken":     "the answer to a borrower, written at once",
	"api.loanView.AccessToken":           "the answer to a borrower, written at once",
	"api.tokenAnswer.AccessToken":        "the answer to a borrower, written at once",
	"api.oauthError.code":                "the code of an error",
	"app.credentialEnd.credential":       "the name of a credential",
	"notify.Notice.Credential":           "the name of a credential",
	"notify.change.credential":           "the name of a credential",
	"token.Checks.Credential":            "the name of a credential",
	"token.Redemption.Credential":        "the name of a credential",
	"hooks.operation.link":               "the name of a relation",
	"config.Database.DSNFile":            "a file name",
	"config.Instance.PreviousSecretFile": "a file name",
	"config.Instance.SecretFile":         "a file name",
	"config.Mail.PasswordFile":           "a file name",
	"config.Webhook.SecretFile":          "a file name",
	"consent.Request.Browser":            "a keyed hash",
	"consent.Start.Browser":              "a keyed hash",
	"onboarding.startView.Browser":       "a keyed hash",
	"failure.Evidence.Code":              "a number of an error",
	"hooks.loanView.AccessToken":         "the answer to a borrower, written at once",
	"main.operator.PasswordFile":         "a file name",
	"oauth1.Params.nonce":                "of no use without the signature",
	"store.consentRow.Link":              "sealed",
	"store.grantRow.RefreshToken":        "sealed",
	"store.instanceRow.Credentials":      "sealed",
	"store.nonceRow.NonceHash":           "a hash",
	"store.stateRow.Nonce":               "sealed",
	"store.stateRow.Verifier":            "sealed",
	"store.tenantRow.Credentials":        "sealed",
	"message.View.Code":                  "a failure code",
	"webhook.data.Code":                  "a failure code",
}

// TestFields_HoldSecretsAsText reads the sources: a field that holds a secret as a string or as bytes is printed by package fmt
// with the struct that it is in, whatever methods that has.
func TestFields_HoldSecretsAsText(t *testing.T) {
	used := map[string]bool{}
	for _, folder := range []string{"..", "../../hooks"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "storetest") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			redacts := redacting(t, filepath.Dir(path))
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok {
					return true
				}
				name := file.Name.Name + "." + spec.Name.Name
				ast.Inspect(spec.Type, func(n ast.Node) bool {
					fields, ok := n.(*ast.StructType)
					if !ok {
						return true
					}
					for _, field := range fields.Fields.List {
						for _, id := range field.Names {
							full := name + "." + id.Name
							if !holdsSecret.MatchString(id.Name) || !isText(field.Type) || redacts[name] || file.Name.Name == "sqldb" {
								continue
							}
							if used[full] = true; notSecret[full] == "" {
								t.Errorf("%s holds what may be secret as a string or bytes: make it a secret.Text, or say in notSecret what it is", full)
							}
						}
					}
					return true
				})
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range notSecret {
		if !used[name] {
			t.Errorf("there is no field %s any more", name)
		}
	}
}

// TestFields_OfTypesThatRedactAreExported: package fmt calls no method of a value in an unexported field, so a type that only prints
// itself as redacted is printed there, unlike a Text. It does not follow a pointer in a field.
func TestFields_OfTypesThatRedactAreExported(t *testing.T) {
	files := map[string]*ast.File{} // path → source
	redacts := map[string]bool{}
	for _, folder := range []string{"..", "../../hooks"} {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				if err == nil && entry.IsDir() {
					maps.Copy(redacts, redacting(t, path))
				}
				return err
			}
			files[path], err = parser.ParseFile(token.NewFileSet(), path, nil, 0)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	delete(redacts, "secret.Text")
	if !redacts["consent.Outcome"] {
		t.Fatal("the types that redact were not found")
	}
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			fields, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range fields.Fields.List {
				for _, id := range field.Names {
					if name := valueType(file.Name.Name, field.Type); redacts[name] && !id.IsExported() {
						t.Errorf("%s: the field %s holds a %s, which package fmt prints there: export it, or hold a pointer", path, id.Name, name)
					}
				}
			}
			return true
		})
	}
}

// valueType returns the type of the values in a field, with the name of its package; "" for a pointer and for other kinds of types.
func valueType(pkg string, expr ast.Expr) string {
	switch typed := expr.(type) {
	case *ast.Ident:
		return pkg + "." + typed.Name
	case *ast.SelectorExpr:
		return fmt.Sprint(typed.X) + "." + typed.Sel.Name
	case *ast.ArrayType:
		return valueType(pkg, typed.Elt)
	case *ast.MapType:
		return valueType(pkg, typed.Value)
	}
	return ""
}

// redacting returns the types of a package that print themselves as redacted: those with methods Format and LogValue.
func redacting(t *testing.T, folder string) map[string]bool {
	t.Helper()
	methods := map[string]int{}
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			method, ok := decl.(*ast.FuncDecl)
			if !ok || method.Recv == nil || method.Name.Name != "Format" && method.Name.Name != "LogValue" {
				continue
			}
			if receiver, ok := method.Recv.List[0].Type.(*ast.Ident); ok {
				methods[file.Name.Name+"."+receiver.Name]++
			}
		}
	}
	redacts := map[string]bool{}
	for name, n := range methods {
		redacts[name] = n == 2
	}
	return redacts
}

// isText reports whether a type is a string, bytes, or a list or map of them.
func isText(expr ast.Expr) bool {
	switch typed := expr.(type) {
	case *ast.Ident:
		return slices.Contains([]string{"string", "byte"}, typed.Name)
	case *ast.ArrayType:
		return isText(typed.Elt)
	case *ast.StarExpr:
		return isText(typed.X)
	case *ast.MapType:
		return isText(typed.Value)
	case *ast.SelectorExpr:
		return fmt.Sprint(typed.Sel) == "RawMessage"
	}
	return false
}
