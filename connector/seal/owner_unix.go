//go:build unix

package seal

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives the file at path the owner and the group of the file that it replaces: an operator replaces keys as root, and
// the service reads them by its group. The owner alone is no reason to fail, because the group or the caller can still read.
func keepOwner(path string, before fs.FileInfo) error {
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok || os.Chown(path, int(was.Uid), int(was.Gid)) == nil {
		return nil
	}
	err := os.Chown(path, -1, int(was.Gid))
	if err == nil || before.Mode().Perm()&0o040 == 0 {
		return nil
	}
	return fmt.Errorf("keeping the group %d, which may read it: %w; run this as root", was.Gid, err)
}
