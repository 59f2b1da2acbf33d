package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

const (
	maxPictures     = 40
	maxPictureBytes = 2 << 20
)

var picture = regexp.MustCompile(`!\[([^\]]*)\]\(([^)\s]+)\)`)

// TestPictures_AreShown checks that a document shows each picture of this folder, with a text in its place for those who
// do not see it, and that all of them stay few and small. TestDocuments_LinksResolve checks that what is shown exists.
func TestPictures_AreShown(t *testing.T) {
	shown := map[string]bool{} // path → whether a document shows it
	for _, name := range documents(t) {
		for _, m := range picture.FindAllStringSubmatch(read(t, name), -1) {
			if m[1] == "" {
				t.Errorf("%s shows %s without a text in its place", name, m[2])
			}
			shown[filepath.Join(filepath.Dir(name), filepath.FromSlash(m[2]))] = true
		}
	}
	pictures, size := 0, int64(0)
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".png", ".jpg", ".gif", ".svg", ".webp"}, filepath.Ext(path)) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		pictures++
		size += info.Size()
		if !shown[filepath.Join(root, "docs", path)] {
			t.Errorf("no document shows docs/%s: remove it", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if pictures == 0 || pictures > maxPictures || size > maxPictureBytes {
		t.Errorf("docs holds %d pictures of %d bytes, want at most %d of %d", pictures, size, maxPictures, maxPictureBytes)
	}
}
