package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh" help:"bash or zsh."`
}

// completionScript completes commands, flags and the values of flags that are files. %s is one line for each command, of its path
// and what may follow it. zsh runs it in its emulation of bash's completion.
const completionScript = `# Completion of the connector's commands and flags.
_connector() {
	local current="${COMP_WORDS[COMP_CWORD]}" path="" word i
	for ((i = 1; i < COMP_CWORD; i++)); do
		word="${COMP_WORDS[i]}"
		case "$word" in
		-*) ;;
		*) case " $(_connector_words "$path") " in *" $word "*) path="$path $word" ;; esac ;;
		esac
	done
	case "${COMP_WORDS[COMP_CWORD-1]}" in
	%s) COMPREPLY=($(compgen -f -- "$current")) ;;
	*) COMPREPLY=($(compgen -W "$(_connector_words "$path")" -- "$current")) ;;
	esac
}
_connector_words() {
	case "$1" in
%s	esac
}
complete -F _connector connector
`

// Run prints the script.
func (c completionCommand) Run(out *console, parsed *kong.Context) error {
	files := map[string]bool{}
	var cases strings.Builder
	addCase(&cases, parsed.Model.Node, "", files)
	if c.Shell == "zsh" {
		fmt.Fprint(out.stdout, "#compdef connector\nautoload -U +X bashcompinit && bashcompinit\n")
	}
	_, err := fmt.Fprintf(out.stdout, completionScript, strings.Join(slices.Sorted(maps.Keys(files)), " | "), cases.String())
	return err
}

// addCase adds what may follow a command, and does so for the commands below it. It collects the flags whose values are files.
func addCase(cases *strings.Builder, n *kong.Node, path string, files map[string]bool) {
	var words []string
	for _, child := range n.Children {
		words = append(words, child.Name)
	}
	for _, flags := range n.AllFlags(true) {
		for _, f := range flags {
			words = append(words, "--"+f.Name)
			if f.PlaceHolder == "FILE" || f.PlaceHolder == "FOLDER" {
				files["--"+f.Name] = true
			}
		}
	}
	slices.Sort(words)
	fmt.Fprintf(cases, "\t%q) echo %q ;;\n", path, strings.Join(slices.Compact(words), " "))
	for _, child := range n.Children {
		addCase(cases, child, path+" "+child.Name, files)
	}
}
