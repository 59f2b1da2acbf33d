package config

import (
	"fmt"
	"math"
	"strings"

	"azure-partner-connector/connector/secret"
)

// What the secret of a new instance needs. Instances that the database knows keep theirs, with a warning.
const (
	strongSecret  = 32 // bytes
	strongEntropy = 90 // bits, by how often each character occurs; 32 random hexadecimal digits have about 115
)

// Weakness returns why a secret is too weak for an instance that the database does not know yet, or "". It says nothing about
// the value.
func Weakness(s secret.Text) string {
	text := s.Reveal()
	switch {
	case len(text) < strongSecret:
		return fmt.Sprintf("it has %d bytes, and needs at least %d", len(text), strongSecret)
	case entropy(text) < strongEntropy:
		return "it is too regular; use a random one"
	}
	return ""
}

// entropy returns an upper bound of the bits of information in text.
func entropy(text string) float64 {
	// A repeated text has the information of its first occurrence.
	if period := strings.Index((text + text)[1:], text) + 1; period > 0 && period < len(text) {
		text = text[:period]
	}
	occurs := map[rune]float64{}
	for _, r := range text {
		occurs[r]++
	}
	bits, length := 0.0, float64(len([]rune(text)))
	for _, n := range occurs {
		bits -= n * math.Log2(n/length)
	}
	// A text whose neighbours differ by the same step, such as 0123456789, is a single choice.
	steps := map[rune]bool{}
	runes := []rune(text)
	for i := 1; i < len(runes); i++ {
		steps[runes[i]-runes[i-1]] = true
	}
	if len(steps) <= 2 {
		return 0
	}
	return bits
}
