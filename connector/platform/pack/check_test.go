package pack_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"azure-partner-connector/connector/platform/pack"

	"pgregory.net/rapid"
)

// zipOf packs files in the order of their names. If they include no APP-LIST.xml, it adds a correct one.
func zipOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	files = maps.Clone(files)
	if _, ok := files["APP-LIST.xml"]; !ok {
		var list strings.Builder
		list.WriteString(`<files xmlns="http://apstandard.com/ns/1">`)
		for _, name := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&list, `<file name=%q size="%d" sha256="%x"/>`, name, len(files[name]), sha256.Sum256([]byte(files[name])))
		}
		list.WriteString(`</files>`)
		files["APP-LIST.xml"] = list.String()
	}
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &zip.FileHeader{Name: name} // stored, which is faster
		if len(files[name]) > 1<<20 {
			header.Method = zip.Deflate
		}
		add(t, archive, header, files[name])
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func add(t testing.TB, archive *zip.Writer, header *zip.FileHeader, content string) {
	t.Helper()
	entry, err := archive.CreateHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
}

func check(content []byte) []pack.Finding {
	return pack.Check(bytes.NewReader(content), int64(len(content)))
}

// validFiles returns the files of the test package, without its list.
func validFiles(t *testing.T) map[string]string {
	t.Helper()
	_, built := build(t, load(t))
	files := make(map[string]string)
	for name, content := range built {
		if name != "APP-LIST.xml" {
			files[name] = string(content)
		}
	}
	return files
}

func TestCheck_FindsDefects(t *testing.T) {
	const box = "schemas/box.schema"
	// Each case replaces old by new once. An empty old replaces the whole file, or removes it if new is empty too.
	for name, tc := range map[string]struct{ file, old, new, want string }{
		"metadata missing":          {meta, "", "", "APP-META.xml: is missing"},
		"metadata no XML":           {meta, "", "<application", "cannot be read"},
		"metadata two roots":        {meta, "", "<a/><b/>", "second root"},
		"metadata with DTD":         {meta, "<application", "<!DOCTYPE x []><application", "document type"},
		"namespace":                 {meta, "aps-standard.org/ns/2", "aps-standard.org/ns/1", "has the root"},
		"format version":            {meta, `version="2.0"`, `version="1.2"`, "format version"},
		"packaged":                  {meta, "2026-11-23T08:20:00", "2026-11-23", "packaged"},
		"order":                     {meta, "<name>parcel</name>\n    <version>2</version>", "<version>2</version><name>parcel</name>", "belongs before"},
		"unknown element":           {meta, "<summary>A parcel.", "<sumary>x</sumary><summary>A parcel.", "sumary does not belong"},
		"element twice":             {meta, "<release>7</release>", "<release>7</release><release>8</release>", "release is repeated"},
		"element missing":           {meta, "<name>parcel</name>", "", "application needs the element name"},
		"attribute missing":         {meta, ` label="Box"`, "", "view needs the attribute label"},
		"attribute unknown":         {meta, ` label="Box"`, ` label="Box" source="x"`, "view has no attribute source"},
		"empty text":                {meta, "<release>7</release>", "<release> </release>", "release is empty"},
		"stray text":                {meta, "</presentation>", "stray</presentation>", "contains text"},
		"id with slash":             {meta, "<id>http://aps.test/parcel</id>", "<id>http://aps.test/parcel/</id>", "end in a slash"},
		"id with https":             {meta, "<id>http://aps", "<id>https://aps", "begin with http"},
		"version":                   {meta, "<version>2</version>", "<version>two</version>", "not a number"},
		"release":                   {meta, "<release>7</release>", "<release>07</release>", "not a number"},
		"upgrade condition":         {meta, "version=ge=1,", "version>=1,", "not understood"},
		"icon missing":              {"images/icon.png", "", "", "images/icon.png is not in the archive"},
		"service twice":             {meta, `<service id="box">`, `<service id="app">`, "two services app"},
		"service id":                {meta, `<service id="box">`, `<service id="b/x">`, "segment of an address"},
		"schema missing":            {box, "", "", "schemas/box.schema is not in the archive"},
		"schema shared":             {meta, `path="schemas/box.schema"`, `path="schemas/app.schema"`, "serves two services"},
		"schema unused":             {"schemas/bag.schema", "", "{}", "no service uses"},
		"schema with comment":       {box, "{", "{ // hello", "cannot be read"},
		"schema with twin key":      {box, `"name": "box",`, `"name": "box", "name": "bag",`, "is repeated"},
		"schema with more text":     {box, "", "{}{}", "after the end"},
		"type version":              {box, `"apsVersion": "2.0"`, `"apsVersion": "1.0"`, "apsVersion"},
		"type name":                 {box, `"name": "box"`, `"name": "a box"`, "not an identifier"},
		"type id of another":        {box, "http://aps.test/parcel/box/1.0", "http://aps.test/other/box/1.0", "type id"},
		"type id without minor":     {box, "http://aps.test/parcel/box/1.0", "http://aps.test/parcel/box/1", "type id"},
		"type id twice":             {box, "parcel/box/1.0", "parcel/app/1.0", "type id of another schema"},
		"implements nothing":        {box, `["http://aps-standard.org/types/core/resource/1.0"]`, `[]`, "implements nothing"},
		"implements no type":        {box, "http://aps-standard.org/types/core/resource/1.0", "resource", "is not a type id"},
		"two roots":                 {box, "core/resource/1.0", "core/application/1.0", "exactly one service"},
		"no root":                   {app, "core/application/1.0", "core/resource/1.0", "exactly one service"},
		"root not app":              {meta, `<service id="app">`, `<service id="main">`, "the root service is main"},
		"unknown own type":          {app, "http://aps.test/parcel/box/1", "http://aps.test/parcel/bag/1", "no type http://aps.test/parcel/bag/1"},
		"property type":             {app, `"type": "string"`, `"type": "text"`, `no type "text"`},
		"property name":             {app, `"secret":`, `"the secret":`, "not an identifier"},
		"role":                      {app, `"global": true`, `"reseller": true`, `no role "reseller"`},
		"enum titles":               {box, `["Open", "Shut"]`, `["Open"]`, "2 values but 1 titles"},
		"array without items":       {app, `"type": "string"`, `"type": "array"`, "needs items"},
		"pattern":                   {app, `"encrypted": true`, `"pattern": "("`, "does not compile"},
		"operation verb":            {box, `"verb": "POST", "path": "/open"`, `"verb": "PATCH", "path": "/open"`, "no verb"},
		"operation path":            {box, `"/open"`, `"open"`, "path"},
		"operation twice":           {box, `"/seal"`, `"/open"`, "verb and path of open"},
		"operation like relation":   {box, `"/open"`, `"/app"`, "path of a relation"},
		"undeclared parameter":      {box, `{"thing": {"kind": "path"`, `{"thing": {"kind": "query"`, "not a parameter of kind path"},
		"parameter not in path":     {box, `"/things/{thing}"`, `"/things"`, "is not in the path"},
		"parameter kind":            {box, `"kind": "path"`, `"kind": "cookie"`, "unknown kind"},
		"element id":                {meta, `<view id="box"`, `<view id="Box"`, "lower-case letters"},
		"element id twice":          {meta, `<view id="box"`, `<view id="parcel"`, "the id parcel is repeated"},
		"unknown extension point":   {meta, "http://www.aps-standard.org/ui/rcp/2", "http://www.aps-standard.org/rcp/2", "no extension point"},
		"menu too deep":             {meta, `<view id="box"`, `<item id="a" label="Box"><item id="b" label="Box"/></item><view id="box"`, "only 2 levels"},
		"variable of no type":       {meta, `type-id="http://aps.test/parcel/box/1.0"`, `type-id="http://aps.test/parcel/bag/1.0"`, "no type"},
		"variable, later minor":     {meta, `type-id="http://aps.test/parcel/box/1.0"`, `type-id="http://aps.test/parcel/box/1.1"`, "no type"},
		"variable, other major":     {meta, `type-id="http://aps.test/parcel/box/1.0"`, `type-id="http://aps.test/parcel/box/2.0"`, "no type"},
		"variable, huge minor":      {meta, `type-id="http://aps.test/parcel/box/1.0"`, `type-id="http://aps.test/parcel/box/1.99999999999999999999"`, "no type"},
		"relation, longer major":    {app, "http://aps.test/parcel/box/1\"", "http://aps.test/parcel/box/10\"", "no type"},
		"variable flag":             {meta, `collection="true"`, `collection="yes"`, "true or false"},
		"privilege unknown":         {meta, `shown-by-privilege="open-box"`, `shown-by-privilege="open"`, "no privilege open"},
		"source missing":            {"ui/ux1/box.js", "", "", "ui/ux1/box.js is not in the archive"},
		"source shared":             {meta, "</view>", `<view id="two" label="Box" src="ui/ux1/box.js"/></view>`, "serves two screens"},
		"source outside":            {meta, `src="ui/ux1/box.js"`, `src="images/icon.png"`, "not below ui/"},
		"source of implied page":    {meta, ` src="ui/ux1/box.js"`, "", "ui/box.html is not in the archive"},
		"bootstrap missing":         {"ui/bootstrapApp.html", "", "", "bootstrapApp.html: is missing"},
		"script outside":            {"i18n/x.js", "", "x", "below ui/"},
		"catalogue name":            {"i18n/german.json", "", "{}", "named after a locale"},
		"catalogue no JSON":         {"i18n/de_DE.json", "", "[]", "cannot be read"},
		"catalogue lacks a label":   {"i18n/de_DE.json", `"Box": "Box",`, "", `lacks "Box"`},
		"catalogue lacks a title":   {"i18n/de_DE.json", `"Shut": "Shut",`, "", `lacks "Shut"`},
		"catalogue lacks another's": {"i18n/en_US.json", `{`, `{"More": "More",`, `de_DE.json: lacks "More"`},
		"catalogue lacks plurals":   {"i18n/en_US.json", `{`, `{"n_few": "n", "n_other": "n",`, `de_DE.json: lacks "n_other"`},
		"translation empty":         {"i18n/de_DE.json", `"Shut": "Shut"`, `"Shut": ""`, "no translation"},
		"placeholders":              {"i18n/de_DE.json", `"__NAME__: __COUNT__"`, `"__NAME__: __COUNT_"`, "other placeholders"},
		"hidden file":               {"ui/.gitignore", "", "x", "hidden file"},
		"traversal":                 {"../../etc/passwd", "", "x", "leaves the archive"},
		"absolute":                  {"/etc/passwd", "", "x", "leaves the archive"},
		"backslash":                 {`ui\x.html`, "", "x", "leaves the archive"},
		"control character":         {"ui/\x01.html", "", "x", "not plain UTF-8"},
		"same name in capitals":     {"ui/UX1/box.js", "", "x", "in the archive twice"},
		"bomb":                      {"ui/zeros.html", "", strings.Repeat("\x00", 16<<20+1), "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			files := validFiles(t)
			switch {
			case tc.old == "" && tc.new == "":
				delete(files, tc.file)
			case tc.old == "":
				files[tc.file] = tc.new
			case !strings.Contains(files[tc.file], tc.old):
				t.Fatalf("%s holds no %q:\n%s", tc.file, tc.old, files[tc.file])
			default:
				files[tc.file] = strings.Replace(files[tc.file], tc.old, tc.new, 1)
			}
			checkHas(t, check(zipOf(t, files)), tc.want)
		})
	}
}

// A reference may name a lower minor version than the type has, or none (docs/reference/aps-protocol.md §4.1).
func TestCheck_AcceptsLowerMinorReferences(t *testing.T) {
	files := validFiles(t)
	files["schemas/box.schema"] = strings.Replace(files["schemas/box.schema"], `"http://aps.test/parcel/box/1.0"`, `"http://aps.test/parcel/box/1.10"`, 1)
	for _, ref := range []string{"1", "1.0", "1.9", "1.10"} {
		files["APP-META.xml"] = strings.Replace(validFiles(t)["APP-META.xml"], "http://aps.test/parcel/box/1.0", "http://aps.test/parcel/box/"+ref, 1)
		if findings := check(zipOf(t, files)); len(findings) > 0 {
			t.Errorf("Check() with a variable of box/%s and the type box/1.10 = %v, want no finding", ref, findings)
		}
	}
}

// A language has the plural forms that it needs, and no other's.
func TestCheck_AcceptsPluralsOfOtherLanguages(t *testing.T) {
	files := validFiles(t)
	files["i18n/en_US.json"] = strings.Replace(files["i18n/en_US.json"], "{", `{"n_few": "n", "n_one": "n", "n_other": "n",`, 1)
	files["i18n/de_DE.json"] = strings.Replace(files["i18n/de_DE.json"], "{", `{"n_one": "n", "n_other": "n",`, 1)
	if findings := check(zipOf(t, files)); len(findings) > 0 {
		t.Errorf("Check() with a form that German lacks = %v, want no finding", findings)
	}
}

func checkHas(t *testing.T, findings []pack.Finding, want string) {
	t.Helper()
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	if text := strings.Join(lines, "\n"); !strings.Contains(text, want) {
		t.Errorf("Check() = %s\nwant a finding with %q", text, want)
	}
}

func TestCheck_FindsDefectsOfList(t *testing.T) {
	for name, tc := range map[string]struct{ list, want string }{
		"missing":    {"", "is missing"},
		"no XML":     {"<files>", "cannot be read"},
		"namespace":  {`<files xmlns="http://aps-standard.org/ns/2"/>`, "has the root"},
		"unlisted":   {`<files xmlns="http://apstandard.com/ns/1"/>`, "APP-META.xml: is not listed"},
		"no file":    {`<files xmlns="http://apstandard.com/ns/1"><file name="x" size="1" sha256=""/></files>`, "x is listed but not in"},
		"itself":     {`<files xmlns="http://apstandard.com/ns/1"><file name="APP-LIST.xml" size="1" sha256=""/></files>`, "APP-LIST.xml is listed but"},
		"twice":      {`<files xmlns="http://apstandard.com/ns/1"><file name="x"/><file name="x"/></files>`, "listed twice"},
		"size":       {`<files xmlns="http://apstandard.com/ns/1"><file name="ui/bootstrapApp.html" size="3" sha256=""/></files>`, "bytes, not 3"},
		"wrong hash": {`<files xmlns="http://apstandard.com/ns/1"><file name="ui/bootstrapApp.html" size="SIZE" sha256="00"/></files>`, "SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			files := validFiles(t)
			files["APP-LIST.xml"] = strings.Replace(tc.list, "SIZE", fmt.Sprint(len(files["ui/bootstrapApp.html"])), 1)
			if tc.list == "" {
				var out bytes.Buffer
				archive := zip.NewWriter(&out)
				add(t, archive, &zip.FileHeader{Name: "ui/x.html"}, "x")
				if err := archive.Close(); err != nil {
					t.Fatal(err)
				}
				checkHas(t, check(out.Bytes()), tc.want)
				return
			}
			checkHas(t, check(zipOf(t, files)), tc.want)
		})
	}
}

func TestCheck_FindsDefectsOfArchive(t *testing.T) {
	link := &zip.FileHeader{Name: "ui/link.html"}
	link.SetMode(fs.ModeSymlink | 0o777)
	for name, tc := range map[string]struct {
		headers []*zip.FileHeader
		want    string
	}{
		"symbolic link": {[]*zip.FileHeader{link}, "not a regular file"},
		"twice":         {[]*zip.FileHeader{{Name: "ui/x.html"}, {Name: "ui/x.html"}}, "in the archive twice"},
		"encrypted":     {[]*zip.FileHeader{{Name: "ui/x.html", Flags: 1}}, "encrypted"},
		"not UTF-8":     {[]*zip.FileHeader{{Name: "ui/\xff.html", NonUTF8: true}}, "not plain UTF-8"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			archive := zip.NewWriter(&out)
			for _, header := range tc.headers {
				add(t, archive, header, "x")
			}
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			checkHas(t, check(out.Bytes()), tc.want)
		})
	}
	t.Run("no archive", func(t *testing.T) {
		checkHas(t, check([]byte("PK nothing")), "not a ZIP archive")
	})
	t.Run("too large", func(t *testing.T) {
		checkHas(t, pack.Check(bytes.NewReader(nil), 1<<40), "larger than")
	})
	t.Run("damaged", func(t *testing.T) {
		content := bytes.Clone(zipOf(t, map[string]string{"ui/x.html": strings.Repeat("abcdefgh", 1000)}))
		content[60] ^= 0xff
		checkHas(t, check(content), "cannot be unpacked")
	})
}

// Whatever the files contain, Check returns, orders its findings, and reports each of them once.
func TestCheck_SurvivesAnyFiles(t *testing.T) {
	base := validFiles(t)
	names := slices.Sorted(maps.Keys(base))
	rapid.Check(t, func(t *rapid.T) {
		files := maps.Clone(base)
		name := rapid.SampledFrom(names).Draw(t, "file")
		content := []byte(files[name])
		for range rapid.IntRange(1, 8).Draw(t, "changes") {
			i := rapid.IntRange(0, len(content)-1).Draw(t, "at")
			content[i] = rapid.SampledFrom([]byte(`<>"{}[]/:0a `)).Draw(t, "byte")
		}
		files[name] = string(content)
		findings := check(rapidZip(t, files))
		if !slices.IsSortedFunc(findings, func(a, b pack.Finding) int { return strings.Compare(a.Where, b.Where) }) {
			t.Errorf("Check() = %v, want findings ordered by file", findings)
		}
		if len(slices.Compact(slices.Clone(findings))) != len(findings) {
			t.Errorf("Check() = %v, want each finding once", findings)
		}
	})
}

func rapidZip(t *rapid.T, files map[string]string) []byte {
	var out bytes.Buffer
	archive := zip.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		entry, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	f.Add(zipOf(f, map[string]string{"APP-META.xml": `<application xmlns="http://aps-standard.org/ns/2" version="2.0"><service id="app"/></application>`}))
	f.Add(zipOf(f, map[string]string{"APP-META.xml": `<application xmlns="http://aps-standard.org/ns/2"/>`, "i18n/de.json": `{"a":"__B__"}`}))
	f.Add(zipOf(f, map[string]string{"../../etc/passwd": "x", "/etc/passwd": "x", `c:\x`: "x"}))
	f.Add(zipOf(f, map[string]string{"": "x", "/": ""}))
	f.Add(zipOf(f, map[string]string{"ui/a.js": "", "ui/A.js": "", "ui/a.js/": ""}))
	f.Add(zipOf(f, map[string]string{"ui/zeros.html": strings.Repeat("\x00", 1<<20)}))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, finding := range check(content) {
			if finding.Where == "" || finding.What == "" {
				t.Errorf("Check() = %+v, want a file and a defect", finding)
			}
		}
	})
}
