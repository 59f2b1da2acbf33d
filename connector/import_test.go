package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImport_ReadsEveryFormat shows what would be imported from each format, for tenants whose directories nobody has.
func TestImport_ReadsEveryFormat(t *testing.T) {
	c := newTerminal(t)
	config := c.configured()
	c.check("migrate", c.run("migrate", "--config", config), 0)
	const first, second = "d1000000-0000-4000-8000-00000000000a", "d1000000-0000-4000-8000-00000000000b"
	one, two := c.hide(), c.hide()
	c.must(os.Mkdir(filepath.Join(c.folder, "tokens"), 0o700))
	c.write("tokens/"+strings.ToUpper(first), one+"\n")
	c.write("tokens/partner.example", "\ufeff"+two)
	c.write("tokens/.lock", "x")
	c.write("cipp.json", "\ufeff"+`{"RefreshToken": "`+one+`", "ApplicationID": "a1000000-0000-4000-8000-000000000001", "ApplicationSecret": "`+c.hide()+`", "TenantID": "`+first+`", "`+second+`": "`+two+`"}`)
	c.write("tokens.json", `[{"directory": "`+second+`", "refreshToken": "`+two+`"}, {"directory": "`+first+`", "refreshToken": "`+one+`", "applicationId": "x"}]`)
	run := func(from, path string) output {
		return c.run("import", "--from", from, path, "--dry-run", "--config", config)
	}
	c.check("import of chaperone's folder", run("chaperone-dir", "tokens"), 0, "1/2 "+first+" skipped: no tenant", "2/2 partner.example skipped")
	c.check("import of CIPP's secrets", run("cipp-export", "cipp.json"), 0, "1/2 "+first, "2/2 "+second)
	c.check("import of JSON", run("json", "tokens.json"), 0, "1/2 "+first, "2/2 "+second)
	for name, content := range map[string]string{
		"no JSON":             one,
		"an object":           `{"directory": "` + first + `", "refreshToken": "` + one + `"}`,
		"an unknown field":    `[{"directory": "` + first + `", "token": "` + one + `"}]`,
		"no token":            `[{"directory": "` + first + `"}]`,
		"no directory":        `[{"refreshToken": "` + one + `"}]`,
		"two for a directory": `[{"directory": "` + first + `", "refreshToken": "` + one + `"}, {"directory": "` + strings.ToUpper(first) + `", "refreshToken": "` + two + `"}]`,
		"a name twice":        `[{"directory": "` + first + `", "directory": "` + second + `", "refreshToken": "` + one + `"}]`,
		"a trailing bracket":  `[{"directory": "` + first + `", "refreshToken": "` + one + `"}]]`,
		"nothing":             `[]`,
	} {
		c.write("wrong.json", content)
		if got := run("json", "wrong.json"); got.code != 1 || got.stderr == "" {
			t.Errorf("import of %s = %v, want a refusal", name, got)
		}
	}
	for name, content := range map[string]string{
		"two spellings of a name":     `{"RefreshToken": "` + one + `", "refresh-token": "` + two + `", "TenantID": "` + first + `"}`,
		"a name twice":                `{"RefreshToken": "` + one + `", "RefreshToken": "` + two + `", "TenantID": "` + first + `"}`,
		"a value that is no text":     `{"RefreshToken": {"value": "` + one + `"}, "TenantID": "` + first + `", "` + second + `": "` + two + `"}`,
		"a token without a directory": `{"RefreshToken": "` + one + `"}`,
		"more than an object":         `{"RefreshToken": "` + one + `", "TenantID": "` + first + `"}]`,
	} {
		c.write("wrong.json", content)
		if got := run("cipp-export", "wrong.json"); got.code != 1 || strings.Contains(got.stdout, "skipped") {
			t.Errorf("import of CIPP's secrets with %s = %v, want a refusal", name, got)
		}
	}
	c.must(os.Mkdir(filepath.Join(c.folder, "files"), 0o700))
	c.write("files/"+first, one)
	for name, content := range map[string]string{second: " \n", "partner.example": one + strings.Repeat("x", 100_000)} {
		c.write("files/"+name, content)
		c.check("import of a folder with a file without a token", run("chaperone-dir", "files"), 1, name+" has no directory, or no refresh token that could be one")
		c.must(os.Remove(filepath.Join(c.folder, "files", name)))
	}
	c.write("wrong.json", `{"`+first+`": "`+one+`", "`+second+`": ""}`)
	c.check("import of CIPP's secrets with an empty one", run("cipp-export", "wrong.json"), 1, second+" has no directory, or no refresh token that could be one")
	c.write("wrong.json", `[{"directory": "`+first+`", "refreshToken": "`+one+`"}, {"directory": "`+second+`"}]`)
	c.check("import of JSON without a token", run("json", "wrong.json"), 1, "entry 2 has no directory, or no refresh token that could be one")
	c.check("import of CIPP's secrets that are none", run("cipp-export", "tokens.json"), 1, "not a JSON object")
	c.check("import without a file", run("json", "nothing.json"), 1, "reading what is imported")
}

// TestImport_SaysWhatItDoesNotRead shows a folder with links, and with the folders of an earlier layout.
func TestImport_SaysWhatItDoesNotRead(t *testing.T) {
	c := newTerminal(t)
	config := c.configured()
	c.check("migrate", c.run("migrate", "--config", config), 0)
	const first, second = "d1000000-0000-4000-8000-00000000000a", "d1000000-0000-4000-8000-00000000000b"
	c.must(os.MkdirAll(filepath.Join(c.folder, "tokens", "..data"), 0o700))
	c.must(os.MkdirAll(filepath.Join(c.folder, "tokens", second), 0o700))
	c.write("tokens/"+second+"/graph.microsoft.com", c.hide())
	c.write("tokens/..data/"+first, c.hide())
	c.write("outside", c.hide())
	for name, target := range map[string]string{
		first: filepath.Join("..data", first), "out.example": filepath.Join("..", "outside"), "absolute.example": filepath.Join(c.folder, "outside"),
		"nowhere.example": "nothing", "loop.example": "loop.example",
	} {
		c.must(os.Symlink(target, filepath.Join(c.folder, "tokens", name)))
	}
	c.check("import of a folder with links", c.run("import", "--from", "chaperone-dir", "tokens", "--dry-run", "--config", config), 1,
		"1/6 absolute.example refused: it is a link that leads out of the folder, or nowhere",
		"2/6 "+first+" skipped: no tenant has this directory",
		"3/6 "+second+" refused: it is a folder: earlier versions of chaperone have one for each directory",
		"4/6 loop.example refused: it is a link",
		"5/6 nowhere.example refused: it is a link",
		"6/6 out.example refused: it is a link",
		"5 of 6 refresh tokens were refused")
}
