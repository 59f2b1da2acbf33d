package consent

// ParseRedirected is parseRedirected, for its fuzz tests.
func ParseRedirected(input string) (Callback, bool) { return parseRedirected(input) }
