package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"azure-partner-connector/connector/seal"
)

func TestCreateFile_NeverReplacesKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	k, err := seal.CreateFile(path)
	if err != nil {
		t.Fatalf("CreateFile() = _, %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("Stat() = mode %v, %v, want 0600", info.Mode(), err)
	}
	loaded, err := seal.LoadFile(path)
	if err != nil {
		t.Fatalf("LoadFile() = _, %v", err)
	}
	if got, err := loaded.Open(sealed(t, k, "text", "a", "b", "c"), "a", "b", "c"); err != nil || string(got) != "text" {
		t.Errorf("Open() by the loaded keyring = %q, %v, want text", got, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("ReadFile() = _, %v", err)
	}
	if _, err := seal.CreateFile(path); !errors.Is(err, seal.ErrExists) {
		t.Errorf("CreateFile() of an existing file = _, %v, want %v", err, seal.ErrExists)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("CreateFile() of an existing file changed it, %v", err)
	}
	if _, err := seal.CreateFile(filepath.Join(path, "below", "keys.json")); err == nil || errors.Is(err, seal.ErrExists) {
		t.Errorf("CreateFile() below a file = _, %v, want an error other than %v", err, seal.ErrExists)
	}
}

func TestLoadFile_Errors(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	if _, err := seal.LoadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadFile() of a missing file = _, %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := seal.LoadFile(folder); err == nil {
		t.Error("LoadFile() of a folder = _, nil, want an error")
	}
	if _, err := seal.CreateFile(path); err != nil {
		t.Fatalf("CreateFile() = _, %v", err)
	}
	for _, mode := range []os.FileMode{0o660, 0o604, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatalf("Chmod() = %v", err)
		}
		_, err := seal.LoadFile(path)
		if err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("LoadFile() with mode %04o = _, %v, want the advice chmod 600", mode, err)
		}
	}
	for _, mode := range []os.FileMode{0o600, 0o400, 0o640, 0o440} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatalf("Chmod() = %v", err)
		}
		if _, err := seal.LoadFile(path); err != nil {
			t.Errorf("LoadFile() with mode %04o = _, %v", mode, err)
		}
	}
}

// TestReplaceFile_KeepsTheGroupThatReadsIt replaces keys as an operator does: the packages let the service read the file by its
// group, and the operator is root, or a member of that group.
func TestReplaceFile_KeepsTheGroupThatReadsIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "connector.keys")
	k, err := seal.CreateFile(path)
	if err != nil {
		t.Fatalf("CreateFile() = _, %v", err)
	}
	owner, group := os.Getuid(), os.Getgid()
	if owner == 0 {
		owner, group = 4242, 4343
	} else if groups, err := os.Getgroups(); err == nil && len(groups) > 0 {
		group = groups[len(groups)-1]
	}
	if err := errors.Join(os.Chown(path, owner, group), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	next, err := k.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	if err := next.ReplaceFile(path, k); err != nil {
		t.Fatalf("ReplaceFile() = %v", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if is := info.Sys().(*syscall.Stat_t); int(is.Uid) != owner || int(is.Gid) != group || info.Mode().Perm() != 0o640 {
		t.Errorf("after ReplaceFile() the file has owner %d, group %d and mode %v, want %d, %d and 0640", is.Uid, is.Gid, info.Mode(), owner, group)
	}
}

func TestReplaceFile_KeepsItsModeAndLeavesNothingElse(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	k, err := seal.CreateFile(path)
	if err != nil {
		t.Fatalf("CreateFile() = _, %v", err)
	}
	next, err := k.Add()
	if err != nil {
		t.Fatalf("Add() = _, %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatalf("Chmod() = %v", err)
	}
	if err := next.ReplaceFile(path, k); err != nil {
		t.Fatalf("ReplaceFile() = %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("Stat() after ReplaceFile() = mode %v, %v, want 0640 as before", info.Mode(), err)
	}
	loaded, err := seal.LoadFile(path)
	if err != nil || !loaded.Sealed(sealed(t, next, "text", "a", "b", "c")) {
		t.Errorf("LoadFile() after ReplaceFile() = the earlier keyring, %v", err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("ReplaceFile() leaves %d files, %v, want one", len(files), err)
	}
	if err := next.ReplaceFile(filepath.Join(folder, "another.json"), k); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReplaceFile() of a missing file = %v, want %v", err, fs.ErrNotExist)
	}
	if err := os.WriteFile(path+".next", nil, 0o600); err != nil {
		t.Fatalf("WriteFile() = %v", err)
	}
	if err := next.ReplaceFile(path, next); err == nil || !strings.Contains(err.Error(), "remove this file") {
		t.Errorf("ReplaceFile() beside a leftover file = %v, want an error that says what to do", err)
	}
}

// TestReplaceFile_RefusesAFileThatChanged: two commands that add a key at once must not lose the key of one of them, which may
// already seal.
func TestReplaceFile_RefusesAFileThatChanged(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "keys.json")
	k, err := seal.CreateFile(path)
	if err != nil {
		t.Fatal(err)
	}
	one, err1 := k.Add()
	other, err2 := k.Announce()
	if err := errors.Join(err1, err2, one.ReplaceFile(path, k)); err != nil {
		t.Fatal(err)
	}
	if err := other.ReplaceFile(path, k); !errors.Is(err, seal.ErrChanged) {
		t.Errorf("ReplaceFile() after another change = %v, want %v", err, seal.ErrChanged)
	}
	loaded, err := seal.LoadFile(path)
	if err != nil || !slices.Equal(loaded.Keys(), one.Keys()) || loaded.Primary() != one.Primary() {
		t.Errorf("LoadFile() = %v, %v, want the keys of the first change", loaded.Keys(), err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Errorf("ReplaceFile() leaves %d files, %v, want one", len(files), err)
	}
	announced, err := loaded.Announce()
	if err != nil {
		t.Fatal(err)
	}
	if err := announced.ReplaceFile(path, one); err != nil {
		t.Errorf("ReplaceFile() of a keyring derived from what the file has = %v", err)
	}
}
