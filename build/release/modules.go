package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A module is a third party's part of the program.
type module struct {
	Path, Version, Dir string
}

// modules returns the modules whose packages are linked into the program on any supported platform, in the order of their
// paths, and the standard library.
func modules(root string) ([]module, error) {
	byPath := map[string]module{}
	for _, platform := range []string{"linux/amd64", "linux/arm64"} {
		system, machine, _ := strings.Cut(platform, "/")
		list := exec.Command("go", "list", "-deps", "-json=Module", "./connector")
		list.Dir = root
		list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+machine)
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("listing the packages of the program: %w%s", err, stderrOf(err))
		}
		for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
			var p struct {
				Module *struct {
					module
					Main    bool
					Replace *module
				}
			}
			if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("reading the packages of the program: %w", err)
			}
			if p.Module == nil || p.Module.Main {
				continue
			}
			m := p.Module.module
			if p.Module.Replace != nil {
				m = *p.Module.Replace
			}
			byPath[m.Path] = m
		}
	}
	var all []module
	for _, m := range byPath {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	goroot := exec.Command("go", "env", "GOROOT")
	goroot.Dir = root
	out, err := goroot.Output()
	if err != nil {
		return nil, fmt.Errorf("finding the standard library: %w%s", err, stderrOf(err))
	}
	return append(all, module{Path: standardLibrary, Dir: strings.TrimSpace(string(out))}), nil
}

// standardLibrary is how go version -m names it. Its version is that of the compiler.
const standardLibrary = "stdlib"

func stderrOf(err error) string {
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		return ": " + string(failed.Stderr)
	}
	return ""
}

// licenseName matches the files in which a module states its license and what must be said with it.
var licenseName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([-._].*)?$`)

// licenses returns the texts of the license files at the root of m, by name.
func (m module) licenses() (names []string, texts map[string]string, err error) {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading %s: %w", m.Path, err)
	}
	texts = map[string]string{}
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !licenseName.MatchString(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, entry.Name()))
		if err != nil {
			return nil, nil, fmt.Errorf("reading the license of %s: %w", m.Path, err)
		}
		names = append(names, entry.Name())
		texts[entry.Name()] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("%s has no license file", m.Path)
	}
	return names, texts, nil
}

// known are sentences that only one license has, with its SPDX identifier. The first one that is found counts.
var known = []struct{ id, sentence string }{
	{"Apache-2.0", "Apache License Version 2.0, January 2004"},
	{"MPL-2.0", "Mozilla Public License, version 2.0"},
	{"MPL-2.0", "Mozilla Public License Version 2.0"},
	{"BSD-3-Clause", "Neither the name of"},
	{"BSD-3-Clause", "Neither the names of"},
	{"BSD-3-Clause", "The names of its contributors may not be used to endorse"},
	{"BSD-2-Clause", "Redistributions in binary form must reproduce the above copyright notice"},
	{"MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy of this software"},
	{"ISC", "Permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"Unlicense", "This is free and unencumbered software released into the public domain"},
}

// license returns the SPDX identifier of m's license. One that is not known has to be read by a person first.
func (m module) license() (string, error) {
	names, texts, err := m.licenses()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text := strings.Join(strings.Fields(texts[name]), " ")
		for _, k := range known {
			if strings.Contains(strings.ToLower(text), strings.ToLower(k.sentence)) {
				return k.id, nil
			}
		}
	}
	return "", fmt.Errorf("the license of %s is not known: read it, and add it to the known ones if it may be used", m.Path)
}
