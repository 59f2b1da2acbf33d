package pack

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what Check reads: far above any real package, and low enough to be harmless.
const (
	maxArchive = 10_800_000 // bytes that a panel accepts as upload (docs/reference/aps-protocol.md §6.1)
	maxEntries = 2_000
	maxFile    = 16 << 20 // bytes of one file, unpacked
	maxTotal   = 64 << 20 // bytes of all files, unpacked
)

// A Level says what a finding means.
type Level string

const (
	// Refused means that a platform refuses to import the package, or that a call or a screen of it cannot work.
	Refused Level = "refused"
	// Advice means that packages which real platforms run do the same, or that no source says that a platform minds. The operator's
	// other tools, or the people who use the screens, may mind.
	Advice Level = "advice"
)

// A Finding is one defect of a package.
type Finding struct {
	Where string // file in the package, and its line or element if known
	What  string // the defect, as a sentence without a full stop
	Level Level
}

// String returns the finding as one line.
func (f Finding) String() string { return f.Where + ": " + f.What }

// findings collects the findings of a check.
type findings struct{ list []Finding }

func (f *findings) refuse(where, format string, args ...any) {
	f.list = append(f.list, Finding{Where: where, What: fmt.Sprintf(format, args...), Level: Refused})
}

func (f *findings) advise(where, format string, args ...any) {
	f.list = append(f.list, Finding{Where: where, What: fmt.Sprintf(format, args...), Level: Advice})
}

// Refusals returns those of the findings for which a platform refuses the package.
func Refusals(list []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f Finding) bool { return f.Level != Refused })
}

// Check reads a package as a platform would and returns its defects, ordered by file. It is safe for hostile input: it
// unpacks into memory, within limits.
func Check(r io.ReaderAt, size int64) []Finding {
	var out findings
	files := unpack(r, size, &out)
	if files != nil {
		checkList(files, &out)
		meta := checkMetadata(files, &out)
		types := checkTypes(meta, files, &out)
		checkScreens(meta, types, files, &out)
		texts := checkScripts(meta, files, &out)
		checkCatalogues(meta, types, texts, files, &out)
	}
	slices.SortFunc(out.list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Where, b.Where), strings.Compare(a.What, b.What))
	})
	return slices.Compact(out.list)
}

// Files returns the files of a package, path → content, within the limits of Check. It returns an error for an archive
// that can't be unpacked safely.
func Files(r io.ReaderAt, size int64) (map[string][]byte, error) {
	var out findings
	files := unpack(r, size, &out)
	if refused := Refusals(out.list); len(refused) > 0 {
		return nil, fmt.Errorf("unpacking the package: %s", refused[0])
	}
	return files, nil
}

// unpack returns the files of an archive, without refused entries; nil when it is not an archive.
func unpack(r io.ReaderAt, size int64, out *findings) map[string][]byte {
	const where = "package"
	if size > maxArchive {
		out.refuse(where, "is larger than the %d bytes that a panel accepts", maxArchive)
		return nil
	}
	archive, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		out.refuse(where, "is not a ZIP archive: %v", err)
		return nil
	}
	if len(archive.File) > maxEntries {
		out.refuse(where, "has more than %d entries", maxEntries)
		return nil
	}
	files := make(map[string][]byte)
	lower := make(map[string]string) // name in lower case → name
	left := maxTotal
	for _, entry := range archive.File {
		name := entry.Name
		if problem := entryProblem(entry); problem != "" {
			out.refuse(cmp.Or(printable(name), where), "%s", problem)
			continue
		}
		if other, ok := lower[strings.ToLower(name)]; ok {
			out.refuse(name, "is in the archive twice; the other name is %s", other)
			continue
		}
		lower[strings.ToLower(name)] = name
		if hidden(name) {
			out.advise(name, "is a hidden file")
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		content, err := readEntry(entry, min(maxFile, left))
		if err != nil {
			out.refuse(name, "cannot be unpacked: %v", err)
			continue
		}
		left -= len(content)
		files[name] = content
	}
	return files
}

// entryProblem returns why an entry must not be unpacked, or "".
func entryProblem(entry *zip.File) string {
	name := strings.TrimSuffix(entry.Name, "/")
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, isControl):
		return "has a name that is not plain UTF-8"
	case name == "":
		return "has an entry without a name"
	case strings.Contains(name, `\`) || !fs.ValidPath(name) || name == ".":
		return "has a name that leaves the archive"
	case entry.Mode()&^(fs.ModePerm|fs.ModeDir) != 0:
		return "is not a regular file"
	case entry.Method != zip.Store && entry.Method != zip.Deflate:
		return "is not compressed by deflate"
	case entry.Flags&1 != 0:
		return "is encrypted"
	}
	return ""
}

// hidden reports whether a file or one of its folders is hidden. Published packages have such files
// (docs/reference/aps-protocol.md §6.8).
func hidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(s string) bool { return strings.HasPrefix(s, ".") })
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// readEntry unpacks an entry. It doesn't trust the sizes in the archive.
func readEntry(entry *zip.File, limit int) ([]byte, error) {
	in, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	content, err := io.ReadAll(io.LimitReader(in, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(content) > limit {
		return nil, errors.New("it is too large")
	}
	return content, nil
}

// printable returns a name that is safe to print on one line.
func printable(name string) string {
	if len(name) > 200 {
		name = name[:200]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if isControl(r) {
			return '?'
		}
		return r
	}, name), "?")
}

// checkList compares APP-LIST.xml with the files (docs/reference/aps-protocol.md §6.4).
func checkList(files map[string][]byte, out *findings) {
	content, ok := files[listName]
	if !ok {
		out.refuse(listName, "is missing")
		return
	}
	root, err := parseXML(content)
	if err != nil {
		out.refuse(listName, "cannot be read: %v", err)
		return
	}
	if root.space != listSpace || root.name != "files" {
		out.refuse(listName, "has the root {%s}%s instead of {%s}files", root.space, root.name, listSpace)
		return
	}
	listed := make(map[string]bool)
	for _, e := range root.children {
		if e.space != listSpace || e.name != "file" {
			continue // an XML signature is allowed here
		}
		where, name := fmt.Sprintf("%s:%d", listName, e.line), e.attrs["name"]
		file, ok := files[name]
		switch {
		case listed[name]:
			out.refuse(where, "%s is listed twice", printable(name))
		case name == listName || !ok:
			out.refuse(where, "%s is listed but not in the archive", printable(name))
		case e.attrs["size"] != fmt.Sprint(len(file)):
			out.refuse(where, "%s has %d bytes, not %s", name, len(file), printable(e.attrs["size"]))
		case e.attrs["sha256"] != sum(file):
			out.refuse(where, "the SHA-256 of %s differs", name)
		}
		listed[name] = true
	}
	for name := range files {
		if name != listName && !listed[name] {
			out.refuse(name, "is not listed in %s", listName)
		}
	}
}

// requireFile adds a finding unless name is a file of the package.
func requireFile(where, name string, files map[string][]byte, out *findings) {
	if _, ok := files[name]; !ok {
		out.refuse(where, "the file %s is not in the archive", printable(name))
	} else if path.Clean(name) != name {
		out.refuse(where, "the path %s is not clean", printable(name))
	}
}
