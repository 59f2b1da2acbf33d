package main_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"
)

// built builds the package into a folder and returns its file.
func (c *terminal) built(args ...string) string {
	c.Helper()
	folder := c.TempDir()
	got := c.run(append(append([]string{"package"}, args...), "--out", folder)...)
	c.check("package", got, 0, folder)
	files, err := filepath.Glob(filepath.Join(folder, "*.app.zip"))
	if err != nil || len(files) != 1 {
		c.Fatalf("connector package left %v, %v, want one package", files, err)
	}
	name, err := filepath.Rel(c.folder, files[0])
	c.must(err)
	return name
}

func TestPackageBuild_IsReproducible(t *testing.T) {
	c := newTerminal(t)
	first, second := c.built(), c.built("build")
	if c.read(first) != c.read(second) {
		t.Error("connector package twice = different bytes, want the same")
	}
	if filepath.Base(first) != filepath.Base(second) {
		t.Errorf("connector package twice = %s and %s, want the same name", first, second)
	}
	c.check("package check", c.run("package", "check", first), 0, "no problems found")
}

func TestPackageBuild_UnderAnotherID(t *testing.T) {
	const id = "http://marketplace.example.org/partner-connector"
	c := newTerminal(t)
	original, renamed := c.built(), c.built("--id", id)
	c.check("package check", c.run("package", "check", renamed), 0, "no problems found")
	meta := c.unpacked(renamed)["APP-META.xml"]
	if !strings.Contains(meta, id) {
		t.Errorf("metadata of a package with --id = another ID, want %s", id)
	}
	if strings.Contains(c.unpacked(original)["APP-META.xml"], id) {
		t.Errorf("metadata of a package without --id contain %s, want the original ID", id)
	}
	c.check("package --id", c.run("package", "--id", "no id", "--out", t.TempDir()), 1)
}

func TestPackageBuild_UnderTheConfiguredID(t *testing.T) {
	const id, other = "http://marketplace.example.org/partner-connector", "http://marketplace.example.org/other"
	c := newTerminal(t)
	file := c.configured()
	c.write(file, c.read(file)+"\npackage: {id: '"+id+"'}\n")
	if meta := c.unpacked(c.built("--config", file))["APP-META.xml"]; !strings.Contains(meta, id) {
		t.Errorf("metadata of a package with package.id = another ID, want %s", id)
	}
	if meta := c.unpacked(c.built("--config", file, "--id", other))["APP-META.xml"]; !strings.Contains(meta, other) {
		t.Errorf("metadata of a package with package.id and --id = another ID, want %s", other)
	}
	c.check("package with a wrong configuration", c.run("package", "--config", c.faulty(), "--out", t.TempDir()), 1, "the configuration is invalid")
}

func TestPackageCheck_RejectsInvalidPackages(t *testing.T) {
	c := newTerminal(t)
	file := c.built()
	c.check("package check of no package", c.run("package", "check", c.write("text.zip", "not a zip")), 1)
	for name, tc := range map[string]struct{ file, old, new, want string }{
		"altered after it was listed": {"schemas/tenant.schema", "directory", "dIrectory", "schemas/tenant.schema"},
		"metadata spoiled":            {"APP-META.xml", "</application>", "", "APP-META.xml"},
	} {
		t.Run(name, func(t *testing.T) {
			files := c.unpacked(file)
			if !strings.Contains(files[tc.file], tc.old) {
				t.Fatalf("%s contains no %q to replace", tc.file, tc.old)
			}
			files[tc.file] = strings.Replace(files[tc.file], tc.old, tc.new, 1)
			c.check("package check", c.run("package", "check", c.write("spoiled.zip", packed(t, files))), 1, tc.want, "a platform would refuse this package")
		})
	}
}

func TestPackageCheck_AdvisesWithoutFailing(t *testing.T) {
	c := newTerminal(t)
	files := c.unpacked(c.built())
	delete(files, "APP-LIST.xml")
	files["APP-META.xml"] = strings.Replace(files["APP-META.xml"], ` must-accept="false"`, "", 1)
	var list strings.Builder
	for name, content := range files {
		fmt.Fprintf(&list, `<file name=%q size="%d" sha256="%x"/>`, name, len(content), sha256.Sum256([]byte(content)))
	}
	files["APP-LIST.xml"] = `<files xmlns="http://apstandard.com/ns/1">` + list.String() + `</files>`
	c.check("package check", c.run("package", "check", c.write("advised.zip", packed(t, files))), 0, "advice   APP-META.xml", "a platform accepts")
}

// unpacked returns the files of a package.
func (c *terminal) unpacked(file string) map[string]string {
	c.Helper()
	content := c.read(file)
	archive, err := zip.NewReader(strings.NewReader(content), int64(len(content)))
	c.must(err)
	files := map[string]string{}
	for _, f := range archive.File {
		r, err := f.Open()
		c.must(err)
		text, err := io.ReadAll(r)
		c.must(err)
		c.must(r.Close())
		files[f.Name] = string(text)
	}
	return files
}

func packed(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for name, content := range files {
		w, err := archive.Create(name)
		if err == nil {
			_, err = w.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
