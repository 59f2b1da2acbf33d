package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ErrExists is returned by CreateFile for a path that exists: keys are never overwritten, because values that they sealed
// would be lost.
var ErrExists = errors.New("the key file already exists")

// LoadFile reads the Keyring in the file at path. It refuses a file that users other than the owner can write, or that users
// outside its group can read. The group may read it, because orchestrators mount secrets that way for users other than root.
func LoadFile(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the key file %s is not a regular file", path)
	}
	if mode := info.Mode().Perm(); mode&0o037 != 0 {
		return nil, fmt.Errorf("the key file %s is accessible to more than its owner and readers of its group (mode %04o): run chmod 600 on it", path, mode)
	}
	k, err := Load(f)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// CreateFile creates a new Keyring and writes it to a new file at path that only its owner can read. It returns ErrExists
// when path exists.
func CreateFile(path string) (*Keyring, error) {
	k, err := Create()
	if err != nil {
		return nil, err
	}
	if err := k.writeNew(path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("creating key file %s: %w", path, ErrExists)
		}
		return nil, fmt.Errorf("creating the key file: %w", err)
	}
	return k, syncFolder(path)
}

// ErrChanged is returned by ReplaceFile for a file that another process has changed meanwhile.
var ErrChanged = errors.New("another process changed it meanwhile; run the command again")

// ReplaceFile replaces the key file at path by k atomically, and keeps its mode, owner and group. k must be derived from before by
// Add, Announce, Promote or Retire. When the file has other keys than before, ReplaceFile changes nothing and returns ErrChanged:
// what they sealed would be lost.
func (k *Keyring) ReplaceFile(path string, before *Keyring) error {
	if err := k.replaceFile(path, before); err != nil {
		return fmt.Errorf("replacing the key file: %w", err)
	}
	return syncFolder(path)
}

func (k *Keyring) replaceFile(path string, before *Keyring) (err error) {
	next := path + ".next" // only one process at a time can create it
	switch err := k.writeNew(next); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%w; if no other connector rekey runs, an earlier one was killed: remove this file", err)
	case err != nil:
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next))
		}
	}()
	present, err := LoadFile(path)
	if err != nil {
		return err
	}
	if !present.equals(before) {
		return ErrChanged
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := keepOwner(next, info); err != nil {
		return err
	}
	if err := os.Chmod(next, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// equals reports whether two keyrings have the same keys, of which the same one seals.
func (k *Keyring) equals(other *Keyring) bool {
	var own, others bytes.Buffer
	return k.Write(&own) == nil && other.Write(&others) == nil && bytes.Equal(own.Bytes(), others.Bytes())
}

func (k *Keyring) writeNew(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = k.Write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// syncFolder makes the directory entry of a new file durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("opening the folder of the key file: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("making the key file durable: %w", err)
	}
	return nil
}
