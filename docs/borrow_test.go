package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"azure-partner-connector/sandbox/microsoft"
	"azure-partner-connector/sandbox/world"
)

var shown = regexp.MustCompile("(?s)\n```(sh|go|python)\n(.*?)```")

// TestBorrow_CommandsWork runs what the tutorial of Python and the guides to borrowing and importing show, commands
// and programs, in their order in one shell, in a sandbox where Alpine Cloud has consented. Only the address differs.
func TestBorrow_CommandsWork(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), tutorialBudget)
	defer cancel()
	folder := t.TempDir()
	w := consentedWorld(ctx, t, folder)
	programs, reports := 0, filepath.Join(folder, "reports.py")
	var script strings.Builder
	script.WriteString("set -euo pipefail\nset -a\n")
	prepareImport(ctx, t, w, folder)
	if err := w.LendForCustomers(ctx, true); err != nil {
		t.Fatal(err)
	}
	guides := read(t, "tutorial/borrow-from-python.md") + read(t, "guides/borrow-a-token.md") + read(t, "guides/import-refresh-tokens.md")
	for _, m := range shown.FindAllStringSubmatch(guides, -1) {
		text := strings.NewReplacer("tokens.json", filepath.Join(folder, "tokens.json"), "tokens.age", filepath.Join(folder, "tokens.age"), "key.txt", filepath.Join(folder, "key.txt"),
			"https://tokens.example.com", w.APIURL, "https://egress.example.com", w.EgressURL,
			`AZURE = "https://management.azure.com"`, `AZURE = "`+w.Microsoft.ARMURL()+`"`, "python3 reports.py", "/usr/bin/python3 "+reports).Replace(m[2])
		if m[1] == "sh" {
			script.WriteString(text + "echo\n")
			continue
		}
		if m[1] == "python" {
			if err := os.WriteFile(reports, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		programs++
		name := filepath.Join(folder, "program"+strings.Repeat("x", programs)+".go")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		script.WriteString("go run " + name + "\n")
	}
	if programs != 2 {
		t.Fatalf("the guide shows %d programs, want two", programs)
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", folder+"/", "./connector", "filippo.io/age/cmd/age", "filippo.io/age/cmd/age-keygen")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the connector and age: %v\n%s", err, output)
	}
	command := exec.CommandContext(ctx, "bash", "-c", script.String())
	command.Dir = root
	command.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "CONNECTOR_CONFIG="+filepath.Join(folder, "connector.yaml"), "TENANT="+w.TenantOf(world.Rita).ID, "CUSTOMER="+world.FjordDirectory,
		"CONNECTOR_EXPORT__RECIPIENTS="+recipient(ctx, t, folder))
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("the guide's commands: %v\n%s", err, output)
	}
	for _, want := range []string{
		"borrowed for ", "subscriptions: 0", "removed client reports",
		`"token_type":"Bearer"`, "by OAuth 2.0 until", "as a managed identity until", `"state":"active"`, `"works":"yes"`, `"next":"`, "removed key", world.AlpineDirectory, `"type":"Total"`,
		"has a refresh token that works", "imported for Alpine Cloud",
		"consented in " + world.FjordDirectory, "would be exported", ") exported", "refresh tokens are sealed to age1",
	} {
		if !strings.Contains(string(output), want) {
			t.Errorf("the guide's commands do not print %q, but\n%s", want, output)
		}
	}
}

// prepareImport writes the refresh token of Alpine Cloud to tokens.json, as another program would export it.
func prepareImport(ctx context.Context, t *testing.T, w *world.World, folder string) {
	t.Helper()
	g, err := w.Grant(ctx, w.TenantOf(world.Rita).ID)
	if err != nil {
		t.Fatal(err)
	}
	text := `[{"directory": "` + world.AlpineDirectory + `", "refreshToken": "` + g.RefreshToken.Reveal() + `"}]`
	if err := os.WriteFile(filepath.Join(folder, "tokens.json"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// recipient makes an identity in key.txt and returns its recipient.
func recipient(ctx context.Context, t *testing.T, folder string) string {
	t.Helper()
	file := filepath.Join(folder, "key.txt")
	if output, err := exec.CommandContext(ctx, filepath.Join(folder, "age-keygen"), "-o", file).CombinedOutput(); err != nil {
		t.Fatalf("age-keygen: %v\n%s", err, output)
	}
	output, err := exec.CommandContext(ctx, filepath.Join(folder, "age-keygen"), "-y", file).Output()
	if err != nil {
		t.Fatalf("age-keygen -y: %v", err)
	}
	return strings.TrimSpace(string(output))
}

// consentedWorld starts a sandbox in which the administrator of Alpine Cloud has consented.
func consentedWorld(ctx context.Context, t *testing.T, folder string) *world.World {
	t.Helper()
	w, err := world.Start(ctx, world.Config{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := w.Install(ctx); err != nil {
		t.Fatal(err)
	}
	browser := world.NewBrowser()
	begun, err := w.Begin(ctx, world.Rita, browser)
	if err != nil {
		t.Fatal(err)
	}
	visitor := microsoft.Visitor{UPN: world.AlpineAdmin, Password: world.Password, ApproveMFA: true, Accept: true}
	if _, err := w.Visit(ctx, browser, begun.URL, visitor); err != nil {
		t.Fatal(err)
	}
	return w
}
