package seal

import (
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

// ReplaceFile replaces the key file at path by k atomically, and keeps its mode, owner and group. k must be derived from the keyring
// in the file by Add, Announce, Promote or Retire, or values that the old keys sealed are lost.
func (k *Keyring) ReplaceFile(path string) error {
	if _, err := LoadFile(path); err != nil {
		return fmt.Errorf("replacing keys: %w", err)
	}
	before, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("replacing keys: %w", err)
	}
	next := path + ".next"
	if err := k.writeNew(next); err != nil {
		return fmt.Errorf("replacing the key file: %w", err)
	}
	err = keepOwner(next, before)
	if err == nil {
		err = os.Chmod(next, before.Mode().Perm())
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("replacing the key file: %w", err), os.Remove(next))
	}
	return syncFolder(path)
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
